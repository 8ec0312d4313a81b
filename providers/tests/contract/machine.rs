//! A machine with an ssh server, in this process: what it does when a socket is asked for is the
//! test's to say.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

use lessor_engine::Provider;
use lessor_providers::{Connection, Entry, Secrets, connect};
use lessor_specs::kinds;
use russh::ChannelOpenFailure::{AdministrativelyProhibited, ConnectFailed};
use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, HashAlg, PrivateKey};
use russh::server::{Auth, ChannelOpenHandle, Handler, Msg, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId};
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, UnixStream};

use crate::worlds::PLACE;

/// How a machine is when somebody wants to reach something through it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Sockets and ports are reached.
    Open,
    /// Sockets are not, and the answer to why is this exit status.
    Closed(u32),
    /// Ports are not.
    NoPorts,
}

/// A machine, as long as the runtime of its test.
pub(crate) struct Machine {
    port: u16,
    host_key: String,
    key: String,
}

impl Machine {
    pub(crate) async fn start(mood: Mood) -> Self {
        let (host, client) = (key(), key());
        let key = client.to_openssh(LineEnding::LF).unwrap().to_string();
        let host_key = host.public_key().fingerprint(HashAlg::Sha256).to_string();
        let config = russh::server::Config { keys: vec![host], ..Default::default() };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(serve(listener, Arc::new(config), Rules { mood, client: client.into() }));
        Machine { port, host_key, key }
    }

    /// The engine behind `socket` there; our key is put into `directory`.
    pub(crate) fn engine(
        &self,
        socket: &str,
        installation: &str,
        directory: &Path,
        secrets: &Arc<Secrets>,
    ) -> Arc<dyn Provider> {
        std::fs::write(directory.join("key"), &self.key).unwrap();
        let endpoint = format!("ssh://tester@127.0.0.1:{}{socket}", self.port);
        let docker = kinds::Docker {
            endpoint: Some(endpoint.parse().unwrap()),
            tls: None,
            host_key: Some(self.host_key.parse().unwrap()),
            key: Some("secret://file/key".parse().unwrap()),
            location: None,
            capacity: None,
            overcommit: None,
        };
        let connection = Connection {
            name: PLACE,
            entry: Entry::Docker(&docker),
            installation: &installation.parse().unwrap(),
            spec_dir: directory,
            docker_host: None,
            ssh_agent: None,
            secrets,
        };
        connect(&connection).unwrap()
    }
}

fn key() -> PrivateKey {
    PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519).unwrap()
}

async fn serve(listener: TcpListener, config: Arc<russh::server::Config>, rules: Rules) {
    while let Ok((client, _)) = listener.accept().await {
        let session = russh::server::run_stream(Arc::clone(&config), client, rules.clone());
        // Whoever hangs up ends only its own conversation.
        tokio::spawn(async move { drop(session.await.unwrap().await) });
    }
}

#[derive(Clone)]
struct Rules {
    mood: Mood,
    client: Arc<PrivateKey>,
}

impl Handler for Rules {
    type Error = russh::Error;

    async fn auth_publickey(
        &mut self,
        user: &str,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, Self::Error> {
        let known = key.public_key.key_data() == self.client.public_key().key_data();
        Ok(if known && user == "tester" { Auth::Accept } else { Auth::reject() })
    }

    async fn channel_open_direct_streamlocal(
        &mut self,
        channel: Channel<Msg>,
        socket_path: &str,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        match UnixStream::connect(socket_path).await {
            Ok(engine) if !matches!(self.mood, Mood::Closed(_)) => {
                join(channel, reply, engine).await;
            }
            _ => reply.reject(ConnectFailed).await,
        }
        Ok(())
    }

    async fn channel_open_direct_tcpip(
        &mut self,
        channel: Channel<Msg>,
        host: &str,
        port: u32,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        if self.mood == Mood::NoPorts {
            reply.reject(AdministrativelyProhibited).await;
            return Ok(());
        }
        match TcpStream::connect((host, u16::try_from(port).unwrap())).await {
            Ok(stream) => join(channel, reply, stream).await,
            Err(_) => reply.reject(ConnectFailed).await,
        }
        Ok(())
    }

    async fn channel_open_session(
        &mut self,
        _: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        reply.accept().await;
        Ok(())
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        _: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_success(channel)?;
        if let Mood::Closed(status) = self.mood {
            session.exit_status_request(channel, status)?;
        }
        session.close(channel)
    }
}

async fn join(
    channel: Channel<Msg>,
    reply: ChannelOpenHandle,
    mut other: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) {
    reply.accept().await;
    // Whoever hangs up ends only its own conversation.
    tokio::spawn(
        async move { drop(copy_bidirectional(&mut channel.into_stream(), &mut other).await) },
    );
}
