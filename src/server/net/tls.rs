//! TLS: its cryptography, and the hub's own certificate, read from files, and read again while connections live on with the old one.
use crate::server::live::Live;
use rustls::{
    ServerConfig, ServerConnection,
    crypto::ring,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{Error as PemError, PemObject},
    },
    server::{NoServerSessionStorage, ProducesTickets},
};
use std::{path::PathBuf, sync::Arc};

/// Names the cryptography of every TLS line that the hub opens: to Redis, media servers and backends.
pub fn install_cryptography() {
    // An error says that it is named already.
    let _ = ring::default_provider().install_default();
}

/// Where certificate and key are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, followed by those that lead to its authority, as PEM.
    pub cert: PathBuf,
    /// Its private key, as PEM.
    pub key: PathBuf,
}

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or holds something else.
    #[error("{}: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: PemError,
    },
    /// There is no certificate in the file.
    #[error("{}: no certificate in it", .0.display())]
    Empty(PathBuf),
    /// Certificate and key do not belong together, or cannot be used.
    #[error("certificate and key cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
}

/// A certificate that can be used.
pub struct Certificate(Arc<ServerConfig>);

/// TLS for the hub's own listener. Cheap to clone; copies see the same certificate.
#[derive(Clone)]
pub struct Tls {
    config: Live<Arc<ServerConfig>>,
    /// Kept over reloads, so that clients come back without a whole handshake.
    tickets: Arc<dyn ProducesTickets>,
}

impl Tls {
    /// Reads certificate and key. Errors: they cannot be read or used.
    pub fn open(files: &TlsFiles) -> Result<Self, TlsError> {
        let tickets = ring::Ticketer::new()?;
        Ok(Self { config: Live::new(read(files, tickets.clone())?.0), tickets })
    }

    /// Reads other files, or the same ones again; nothing has changed yet. Errors: they cannot be read or used.
    pub fn read(&self, files: &TlsFiles) -> Result<Certificate, TlsError> {
        read(files, self.tickets.clone())
    }

    /// Takes a certificate into use, for connections that come from here on.
    pub fn set(&self, certificate: Certificate) {
        self.config.set(certificate.0);
    }

    /// Begins a session. `None`: there is none to be had.
    pub(in crate::server) fn session(&self) -> Option<ServerConnection> {
        let session = ServerConnection::new(Arc::clone(&self.config.load()));
        session.map_err(|error| tracing::error!(%error, "no TLS session")).ok()
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

fn read(files: &TlsFiles, tickets: Arc<dyn ProducesTickets>) -> Result<Certificate, TlsError> {
    let failed = |path: &PathBuf| {
        let path = path.clone();
        move |error| TlsError::File { path, error }
    };
    let certs = CertificateDer::pem_file_iter(&files.cert).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certs = certs.map_err(failed(&files.cert))?;
    if certs.is_empty() {
        return Err(TlsError::Empty(files.cert.clone()));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(failed(&files.key))?;
    let provider = Arc::new(ring::default_provider());
    // TLS 1.2 and 1.3; the library knows nothing older.
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut config = builder.with_no_client_auth().with_single_cert(certs, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.ticketer = tickets;
    // Tickets are kept by the clients; nothing of a past session stays here.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 1;
    Ok(Certificate(Arc::new(config)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let signed = |name: &str| rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        let (one, other) = (signed("one"), signed("other"));
        let (cert, key) = (file("cert.pem", &one.cert.pem()), file("key.pem", &one.signing_key.serialize_pem()));
        let foreign = file("foreign.pem", &other.signing_key.serialize_pem());
        let said = |cert: &PathBuf, key: &PathBuf| {
            Tls::open(&TlsFiles { cert: cert.clone(), key: key.clone() }).err().map(|error| error.to_string()).unwrap_or_default()
        };
        assert_eq!(said(&cert, &key), "");
        assert!(said(&dir.path().join("nowhere"), &key).contains("nowhere"));
        assert!(said(&key, &key).contains("no certificate"), "{}", said(&key, &key));
        assert!(said(&cert, &cert).contains("cert.pem"));
        assert!(said(&cert, &foreign).contains("cannot be used"));
        let tls = Tls::open(&TlsFiles { cert: cert.clone(), key: key.clone() }).unwrap();
        assert!(tls.read(&TlsFiles { cert: cert.clone(), key: foreign }).is_err());
        tls.set(tls.read(&TlsFiles { cert, key }).unwrap());
        assert!(tls.session().is_some());
    }
}
