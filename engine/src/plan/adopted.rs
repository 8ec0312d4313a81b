//! What there is to say of adopted things.

use lessor_plans::{Action, Change, Code, NoteKind, Present};

use super::Planner;
use crate::settle::Wish;

impl Planner<'_> {
    /// Whether what the wish adopts cannot be adopted, which is then said.
    pub(super) fn is_refused(&mut self, wish: &Wish<'_>) -> bool {
        // What was made for the wish stands in for what it adopts.
        let Some(seen) = self.world.at(&wish.place).filter(|_| wish.present.is_none()) else {
            return false;
        };
        let Some(why) = seen.refused.get(&wish.address) else { return false };
        let why = format!("it cannot be adopted: {why}");
        let hint = "drop `adopted`, or name another thing";
        self.fatal(Code::NotAdoptable, &wish.address, why, hint);
        true
    }

    /// Says what becomes of an adoption: nothing, as long as the thing is there and stays.
    pub(super) fn adoption(&mut self, wish: &Wish<'_>, change: Option<&Change>) {
        let Some(adopted) = &wish.adopted else { return };
        let action = change.map(|change| change.action);
        match (wish.present, action) {
            (Some(Present { adopted: None, .. }), _) => {
                let text = "carries our mark by now, so that `adopted` says nothing any more";
                self.note(NoteKind::Info, &wish.address, text).hint =
                    Some(format!("remove the line `adopted = \"{adopted}\"` from its entry"));
            }
            (Some(Present { adopted: Some(adoption), .. }), Some(Action::Replace)) => {
                let mut text = "was adopted; the new one carries our mark".to_owned();
                if !adoption.beyond.is_empty() {
                    text += ", and loses what no entry can say: ";
                    text += &adoption.beyond.join(", ");
                }
                self.note(NoteKind::Info, &wish.address, text);
            }
            (None, Some(Action::Create)) => {
                let text = format!(
                    "adopts {} `{adopted}`, which is not there; the new one carries our mark",
                    wish.body.sort()
                );
                self.note(NoteKind::Info, &wish.address, text);
            }
            _ => {}
        }
    }
}
