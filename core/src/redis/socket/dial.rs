//! From a server's name to a stream: TCP, and TLS over it.
//!
//! A peer that is gone without a word is found by the probes above; the options of the
//! socket are the second line: keepalive when nothing is written, `TCP_USER_TIMEOUT` when
//! what is written is never acknowledged.

use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use socket2::{SockRef, TcpKeepalive};
use tokio::{
    net::TcpStream,
    time::{timeout, timeout_at},
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};

use super::session::Stream;
use crate::redis::{
    error::{RedisError, RedisErrorKind},
    target::Server,
};

const KEEPALIVE: Duration = Duration::from_secs(5);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(2);
const UNACKNOWLEDGED: Duration = Duration::from_secs(8);

/// Whom TLS trusts.
#[derive(Clone)]
pub(crate) struct Tls(Arc<ClientConfig>);

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

impl Tls {
    /// These certificates, in PEM, and no others; or those that the system trusts.
    pub(crate) fn new(roots: Option<&[u8]>) -> Result<Self, RedisError> {
        let refused = |detail: String| {
            RedisError::of("root_certificates", RedisErrorKind::Certificates, detail)
        };
        let mut store = RootCertStore::empty();
        match roots {
            Some(pem) => {
                for certificate in CertificateDer::pem_slice_iter(pem) {
                    let certificate = certificate.map_err(|error| {
                        refused(format!("root_certificates are no PEM: {error}"))
                    })?;
                    store.add(certificate).map_err(|error| {
                        refused(format!("one of root_certificates cannot be used: {error}"))
                    })?;
                }
            }
            None => {
                store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
        }
        if store.is_empty() {
            return Err(refused(match roots {
                Some(_) => "root_certificates hold no certificate: expected PEM, -----BEGIN CERTIFICATE-----".into(),
                None => "the system trusts no certificate: install its certificate package, or give root_certificates".into(),
            }));
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| refused(format!("TLS cannot be set up: {error}")))?
            .with_root_certificates(store)
            .with_no_client_auth();
        Ok(Tls(Arc::new(config)))
    }
}

/// Connects within the time, trying the addresses of the name in turn. Why that failed does
/// not say the server's name: whoever tells it does.
pub(crate) async fn dial(
    server: &Server,
    tls: Option<&Tls>,
    within: Duration,
) -> Result<Box<dyn Stream>, String> {
    let end = Instant::now() + within;
    let resolving = tokio::net::lookup_host((server.host.as_str(), server.port));
    let addresses: Vec<SocketAddr> = match timeout(within, resolving).await {
        Err(_) => {
            return Err(format!(
                "the name {} was not resolved within {within:?}",
                server.host
            ));
        }
        Ok(Err(error)) => {
            return Err(format!(
                "the name {} cannot be resolved: {error}",
                server.host
            ));
        }
        Ok(Ok(addresses)) => addresses.collect(),
    };
    let mut failed = format!("the name {} has no address", server.host);
    for (at, address) in addresses.iter().enumerate() {
        // An address that swallows everything leaves time for those after it.
        let rest = end.saturating_duration_since(Instant::now());
        let share = rest / (addresses.len() - at).min(4) as u32;
        match timeout(share, TcpStream::connect(address)).await {
            Err(_) => failed = format!("no answer from {address} within {share:?}"),
            Ok(Err(error)) => failed = format!("connecting failed: {error}"),
            Ok(Ok(stream)) => {
                if let Err(error) = prepare(&stream) {
                    return Err(format!("the socket cannot be set up: {error}"));
                }
                return match tls {
                    None => Ok(Box::new(stream)),
                    Some(tls) => encrypt(server, tls, stream, end).await,
                };
            }
        }
    }
    Err(failed)
}

async fn encrypt(
    server: &Server,
    tls: &Tls,
    stream: TcpStream,
    end: Instant,
) -> Result<Box<dyn Stream>, String> {
    let name = ServerName::try_from(server.host.clone())
        .map_err(|error| format!("{} is no name for TLS: {error}", server.host))?;
    let connector = TlsConnector::from(Arc::clone(&tls.0));
    match timeout_at(end.into(), connector.connect(name, stream)).await {
        Err(_) => Err("the TLS handshake was not finished in time".into()),
        Ok(Err(error)) => Err(format!("TLS failed: {error}")),
        Ok(Ok(stream)) => Ok(Box::new(stream)),
    }
}

fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE)
        .with_interval(KEEPALIVE_INTERVAL);
    socket.set_tcp_keepalive(&keepalive)?;
    #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED))?;
    Ok(())
}
