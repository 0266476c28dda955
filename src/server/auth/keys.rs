//! Keys out of files: the hub's own, and the sets of those who issue tokens.
use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyOperations, PublicKeyUse},
};
use std::path::Path;

/// Why authentication cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum AuthSetupError {
    /// A key file cannot be read or written.
    #[error("{}: {error}", path.display())]
    File {
        /// Which.
        path: std::path::PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The key set is not one, or none of its keys fits the algorithm.
    #[error("auth.jwt.jwks_file: {0}")]
    Keys(&'static str),
}

/// Reads the hub's own key, or makes it: 32 random bytes that only the hub's user can read.
pub(super) fn own_key(dir: &Path) -> Result<[u8; 32], AuthSetupError> {
    use std::{io::Write, os::unix::fs::OpenOptionsExt};
    let path = dir.join("hub.key");
    let failed = |error| AuthSetupError::File { path: path.clone(), error };
    if let Ok(bytes) = std::fs::read(&path) {
        let wrong = |_| failed(std::io::Error::other("not a key of 32 bytes; remove it, and every session must begin anew"));
        return <[u8; 32]>::try_from(bytes).map_err(wrong);
    }
    std::fs::create_dir_all(dir).map_err(failed)?;
    let key: [u8; 32] = rand::random();
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(failed)?;
    file.write_all(&key).and_then(|()| file.sync_all()).map_err(failed)?;
    Ok(key)
}

/// Reads the public keys by which an issuer's tokens are verified. Errors: none of them fits the algorithm.
pub(super) fn key_set(path: &Path, algorithm: Algorithm) -> Result<Vec<(Option<String>, DecodingKey)>, AuthSetupError> {
    let text = std::fs::read_to_string(path).map_err(|error| AuthSetupError::File { path: path.to_owned(), error })?;
    let set: JwkSet = serde_json::from_str(&text).map_err(|_| AuthSetupError::Keys("not a JSON Web Key Set"))?;
    let usable = |jwk: &Jwk| {
        let key = DecodingKey::from_jwk(jwk).ok().filter(|_| fits(jwk, algorithm))?;
        Some((jwk.common.key_id.clone(), key))
    };
    let keys: Vec<_> = set.keys.iter().filter_map(usable).collect();
    if keys.is_empty() { Err(AuthSetupError::Keys("no key fits auth.jwt.algorithm")) } else { Ok(keys) }
}

/// Tells whether a key of the set may verify signatures of this algorithm: by its kind, and by what it says about itself.
fn fits(jwk: &Jwk, algorithm: Algorithm) -> bool {
    let kind = match (&jwk.algorithm, algorithm) {
        (AlgorithmParameters::RSA(_), Algorithm::RS256) => true,
        (AlgorithmParameters::EllipticCurve(key), Algorithm::ES256) => key.curve == EllipticCurve::P256,
        (AlgorithmParameters::OctetKeyPair(key), Algorithm::EdDSA) => key.curve == EllipticCurve::Ed25519,
        _ => false,
    };
    let named = jwk.common.key_algorithm.is_none_or(|known| known.to_string() == format!("{algorithm:?}"));
    let signs = jwk.common.public_key_use.as_ref().is_none_or(|purpose| *purpose == PublicKeyUse::Signature);
    let verifies = jwk.common.key_operations.as_ref().is_none_or(|all| all.contains(&KeyOperations::Verify));
    kind && named && signs && verifies
}
