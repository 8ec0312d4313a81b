//! The client of Proxmox VE against a pretend cluster, over real HTTPS.

#![expect(clippy::unwrap_used, reason = "what helps a test may do what a test may")]

mod broken;
mod cluster;
mod life;
mod login;
mod replay;
mod rights;
