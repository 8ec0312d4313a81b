//! Looking at money: wallets, the ledger, what was used, and the quota.

use axum::Json;
use axum::extract::State;
use jiff::{SignedDuration, Timestamp};
use lessor_engine::Clock as _;
use lessor_specs::{ByteSize, Cpu};
use lessor_store::{LedgerEntry, Need, UsageLine, Wallet};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::access::Permission;
use crate::extract::{Path, Query};
use crate::page::{Page, PageQuery};
use crate::{Caller, Problem, Services};

/// The lines that are shown at most: a week of six orders.
const LINES: u32 = 1_000;

/// What a tenant has in one currency.
#[derive(Serialize, ToSchema)]
pub struct WalletShown {
    /// The currency.
    currency: String,
    /// What is there.
    balance: String,
    /// What of it is held for orders that are being made.
    held: String,
    /// What can be spent.
    available: String,
}

/// A movement of money.
#[derive(Serialize, ToSchema)]
pub struct TransactionShown {
    /// Its id.
    id: String,
    /// `credit`, `charge`, `refund`, `gift` or `reversal`.
    kind: String,
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// What for: an order, or another transaction.
    reference: Option<String>,
    /// What for, in words.
    memo: String,
    /// What each account gained, or lost; the sum is nothing.
    postings: Vec<PostingShown>,
}

/// One account's part in a movement of money.
#[derive(Serialize, ToSchema)]
pub struct PostingShown {
    /// Such as `wallet/acme`, `income`, `payments`.
    account: String,
    /// The currency.
    currency: String,
    /// What it gained; below zero, what it lost.
    amount: String,
}

/// A line of a bill.
#[derive(Serialize, ToSchema)]
pub(crate) struct LineShown {
    /// The order.
    order: String,
    /// What of it: `base`, `kept`, `cpu`, `memory` or `disk`.
    part: String,
    /// From when.
    #[schema(format = DateTime)]
    start: String,
    /// Until when.
    #[schema(format = DateTime)]
    end: String,
    /// Cores, bytes, or 1 of the whole.
    quantity: u64,
    /// For each core, GiB or the whole, and hour.
    hourly: String,
    /// What it comes to without cap and promo code.
    list: String,
    /// What it comes to; below zero, what is given back.
    amount: String,
    /// The currency of every amount.
    currency: String,
    /// The transaction that paid it.
    transaction: Option<String>,
    /// When it was paid.
    #[schema(format = DateTime)]
    paid_at: Option<String>,
}

/// Which lines.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct UsageQuery {
    /// Those that begin here or later; a day ago unless said.
    #[param(format = DateTime)]
    from: Option<String>,
    /// Those that begin before; now unless said.
    #[param(format = DateTime)]
    until: Option<String>,
}

/// What a quota limits, and how much of it is taken.
#[derive(Serialize, ToSchema)]
pub(crate) struct QuotaShown {
    /// What orders take.
    used: Amounts,
    /// What they may take; `null` is any amount.
    limit: Amounts,
}

/// An amount of everything that a quota limits.
#[derive(Serialize, ToSchema)]
pub(crate) struct Amounts {
    /// Instances.
    instances: Option<i64>,
    /// Cores.
    cpu: Option<String>,
    /// Memory.
    memory: Option<String>,
    /// Disk.
    disk: Option<String>,
}

/// A promo code.
#[derive(Serialize, ToSchema)]
pub(crate) struct PromoCodeShown {
    /// The code.
    code: String,
    /// How often it was used.
    uses: u64,
    /// How often it may be used; `null` is any number.
    max_uses: Option<u32>,
    /// From when it may be used.
    #[schema(format = DateTime)]
    valid_from: Option<String>,
    /// Until when.
    #[schema(format = DateTime)]
    valid_until: Option<String>,
}

impl WalletShown {
    /// As the API shows it.
    pub fn of(wallet: &Wallet) -> Self {
        WalletShown {
            currency: wallet.currency.to_string(),
            balance: wallet.posted.to_string(),
            held: wallet.held.to_string(),
            available: wallet.available().to_string(),
        }
    }
}

impl TransactionShown {
    /// As the API shows it.
    pub fn of(entry: &LedgerEntry) -> Self {
        let postings = entry.postings.iter().map(|posting| PostingShown {
            account: posting.account.to_string(),
            currency: posting.currency.to_string(),
            amount: posting.amount.to_string(),
        });
        TransactionShown {
            id: entry.id.clone(),
            kind: entry.kind.to_string(),
            at: entry.at.to_string(),
            reference: entry.reference.clone(),
            memo: entry.memo.clone(),
            postings: postings.collect(),
        }
    }
}

/// What a tenant has, in each currency it ever had any.
#[utoipa::path(get, path = "/v1/tenants/{tenant}/wallet", tag = "money", params(("tenant" = String, Path, description = "Its name")), responses((status = 200, body = Page<WalletShown>)))]
pub(crate) async fn wallet(
    State(services): State<Services>,
    caller: Caller,
    Path(tenant): Path<String>,
) -> Result<Json<Page<WalletShown>>, Problem> {
    caller.in_tenant(&services, &tenant, Permission::MoneyRead).await?;
    let wallets = services.store.wallet_list(&tenant).await?;
    Ok(Json(Page { items: wallets.iter().map(WalletShown::of).collect(), next: None }))
}

/// Every movement of a tenant's money, the newest first.
#[utoipa::path(get, path = "/v1/tenants/{tenant}/ledger", tag = "money", params(("tenant" = String, Path, description = "Its name"), PageQuery), responses((status = 200, body = Page<TransactionShown>)))]
pub(crate) async fn ledger(
    State(services): State<Services>,
    caller: Caller,
    Path(tenant): Path<String>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<TransactionShown>>, Problem> {
    caller.in_tenant(&services, &tenant, Permission::MoneyRead).await?;
    let before = page.after()?;
    let entries = services.store.ledger_list(&tenant, before.as_deref(), page.fetch()?).await?;
    Ok(Json(page.page(entries, |entry| entry.id.clone(), TransactionShown::of)?))
}

/// The lines of a tenant's bill in a while.
#[utoipa::path(get, path = "/v1/tenants/{tenant}/usage", tag = "money", params(("tenant" = String, Path, description = "Its name"), UsageQuery), responses((status = 200, body = Page<LineShown>)))]
pub(crate) async fn usage(
    State(services): State<Services>,
    caller: Caller,
    Path(tenant): Path<String>,
    Query(query): Query<UsageQuery>,
) -> Result<Json<Page<LineShown>>, Problem> {
    caller.in_tenant(&services, &tenant, Permission::MoneyRead).await?;
    let now = services.store.now();
    let until = moment("until", query.until.as_deref())?.unwrap_or(now);
    let day = SignedDuration::from_hours(24);
    let from = moment("from", query.from.as_deref())?;
    let from = from.unwrap_or_else(|| until.checked_sub(day).unwrap_or(Timestamp::MIN));
    let lines = services.store.usage_list(&tenant, from, until, LINES + 1).await?;
    if lines.len() > LINES as usize {
        let detail = format!("there are more than {LINES} lines; ask for a shorter while");
        return Err(Problem::parameter("from", detail));
    }
    Ok(Json(Page { items: lines.iter().map(line).collect(), next: None }))
}

/// What a tenant's orders take of its quota.
#[utoipa::path(get, path = "/v1/tenants/{tenant}/quota", tag = "money", params(("tenant" = String, Path, description = "Its name")), responses((status = 200, body = QuotaShown)))]
pub(crate) async fn quota(
    State(services): State<Services>,
    caller: Caller,
    Path(tenant): Path<String>,
) -> Result<Json<QuotaShown>, Problem> {
    caller.in_tenant(&services, &tenant, Permission::MoneyRead).await?;
    let (used, limit) = services.store.quota_show(&tenant).await?;
    Ok(Json(QuotaShown { used: amounts(used), limit: amounts(limit) }))
}

/// The promo codes that were applied last, and how often they were used.
#[utoipa::path(get, path = "/v1/promo-codes", tag = "money", responses((status = 200, body = Page<PromoCodeShown>)))]
pub(crate) async fn promo_codes(
    State(services): State<Services>,
    caller: Caller,
) -> Result<Json<Page<PromoCodeShown>>, Problem> {
    caller.on_platform(Permission::MoneyRead)?;
    let catalogue = services.catalogue.read(&services.store).await?;
    let mut items = Vec::new();
    for (code, promo) in &catalogue.specs.promo_code {
        items.push(PromoCodeShown {
            code: code.clone(),
            uses: services.store.promo_uses(code).await?,
            max_uses: promo.max_uses,
            valid_from: promo.valid_from.map(|at| at.timestamp().to_string()),
            valid_until: promo.valid_until.map(|at| at.timestamp().to_string()),
        });
    }
    Ok(Json(Page { items, next: None }))
}

fn moment(name: &str, text: Option<&str>) -> Result<Option<Timestamp>, Problem> {
    let parse = |text: &str| {
        let expected = "expected a time such as `2030-01-31T12:00:00Z`";
        text.parse().map_err(|_| Problem::parameter(name, expected))
    };
    text.map(parse).transpose()
}

fn line(line: &UsageLine) -> LineShown {
    LineShown {
        order: line.order.clone(),
        part: line.part.to_string(),
        start: line.start.to_string(),
        end: line.end.to_string(),
        quantity: line.quantity,
        hourly: line.hourly.to_string(),
        list: line.list.to_string(),
        amount: line.amount.to_string(),
        currency: line.currency.to_string(),
        transaction: line.txn.clone(),
        paid_at: line.paid_at.map(|at| at.to_string()),
    }
}

/// The largest number stands for any amount.
fn amounts(need: Need) -> Amounts {
    let some = |amount: i64| Some(amount).filter(|amount| *amount != i64::MAX);
    let bytes = |bytes: i64| {
        let bytes = u64::try_from(some(bytes)?).unwrap_or_default();
        Some(ByteSize::from_bytes(bytes).to_string())
    };
    let cpu = some(need.cpu).and_then(|millis| u32::try_from(millis).ok());
    Amounts {
        instances: some(need.instances),
        cpu: cpu.map(|millis| Cpu::from_millis(millis).to_string()),
        memory: bytes(need.memory),
        disk: bytes(need.disk),
    }
}
