use super::call::Handler;
use serde::{Deserialize, Serialize};
pub(super) const HANDLERS: &[(&str, Handler)] = &[];
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Firewall {}
pub(super) fn guest_file(vmid: u32) -> String {
    format!("guest/{vmid}")
}
