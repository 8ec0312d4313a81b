//! What customers are told when something was declined.

use lessor_store::Decline;
use tracing::warn;

use crate::{Problem, ProblemKind};

impl From<&Decline> for Problem {
    /// What was declined, and which field it is about.
    fn from(decline: &Decline) -> Self {
        let detail = decline.to_string();
        let of = |kind, pointer: &str| Problem::new(kind).and_field(pointer, detail.clone());
        match decline {
            Decline::WalletShort { .. } => of(ProblemKind::WalletShort, "/offer"),
            Decline::KeyReused { .. } => {
                Problem::new(ProblemKind::KeyReused).and_parameter("Idempotency-Key", detail)
            }
            Decline::AlreadyPlaced { order, .. } => {
                of(ProblemKind::AlreadyPlaced, "/client_ref").order(order)
            }
            Decline::NameTaken { .. } => of(ProblemKind::NameTaken, "/name"),
            Decline::NoOffer { .. } => of(ProblemKind::Invalid, "/offer"),
            Decline::Unfit { field: "key", .. } => Problem::parameter("Idempotency-Key", detail),
            // Several fields at once, or how they fit together.
            Decline::Unfit { field: "instance", .. } => of(ProblemKind::Invalid, ""),
            Decline::Unfit { field, .. } => of(ProblemKind::Invalid, &format!("/{field}")),
            Decline::QuotaExceeded { .. } => of(ProblemKind::QuotaExceeded, "/offer"),
            Decline::PromoRefused { .. } => of(ProblemKind::PromoRefused, "/promo"),
            Decline::Exhausted { .. } => {
                // How much of what there is, is the operator's business.
                warn!(why = detail, "sold out");
                Problem::new(ProblemKind::SoldOut).and_field("/offer", "nothing is left of it")
            }
            // A network is its tenant's own: how much is left there is no secret to them.
            Decline::NetworkFull { .. } => {
                let hint = decline.hint().unwrap_or_default();
                let detail = format!("{detail}; {hint}");
                Problem::new(ProblemKind::NetworkFull).and_field("/offer", detail)
            }
            Decline::NoTenant { .. } | Decline::NoOrder { .. } | Decline::NoReservation { .. } => {
                Problem::not_found()
            }
            Decline::NoMachines { .. } => of(ProblemKind::SoldOut, "/count"),
            Decline::TooManyMachines { .. } => of(ProblemKind::Invalid, "/count"),
            Decline::MachineTaken { .. } => of(ProblemKind::Conflict, "/duration"),
            Decline::OrderMoved { .. } | Decline::PoolMoved { .. } => {
                Problem::new(ProblemKind::Outdated).detail(detail)
            }
            Decline::NotNow { .. } | Decline::NotReserved { .. } => {
                Problem::new(ProblemKind::NotNow).detail(detail)
            }
            Decline::NothingApplied => Problem::new(ProblemKind::Unavailable).detail(detail),
            Decline::NoTransaction { .. } => of(ProblemKind::Invalid, "/transaction"),
            Decline::NotRefundable { .. } => of(ProblemKind::Conflict, "/transaction"),
            Decline::HoldEnded { .. } | Decline::EnoughWebhooks => {
                Problem::new(ProblemKind::Conflict).detail(detail)
            }
            Decline::BadAmount { .. } => of(ProblemKind::Invalid, "/amount"),
        }
    }
}
