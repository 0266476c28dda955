//! Tokens → identities: client tokens, API keys, and the hub's own session tokens. A token never reaches a log line.
pub mod bans;
pub mod crypto;
mod keys;
pub mod ticket;

pub use keys::AuthSetupError;

use self::{
    bans::{BanList, Denied},
    keys::{key_set, own_key},
    ticket::TicketKey,
};
use super::{
    clock::Clock,
    config::{AuthConfig, AuthMode},
    live::Live,
};
use crate::hub::id::{RoleId, RoomId, SessionId, UserId, UserType};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Deserializer, Serialize, de::Error};
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, path::Path};
use subtle::ConstantTimeEq;
use tokio::sync::watch;

/// The longest life of a minted token, in seconds.
pub const MAX_LIFE_SECONDS: u64 = 86_400;
/// How far the clocks of an issuer and the hub may differ, in seconds.
const LEEWAY_SECONDS: u64 = 5;

/// Who somebody is, by a verified token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// The person.
    pub user: UserId,
    /// The kind of user, if the token says one.
    pub user_type: Option<UserType>,
    /// Roles per room.
    pub rooms: BTreeMap<RoomId, RoleId>,
    /// When the token ends, Unix seconds.
    pub expires_at: u64,
    /// When it was issued, Unix seconds; 0 = not said.
    pub issued_at: u64,
    /// The same in milliseconds: exact in the hub's own tokens, else the begin of that second.
    pub issued_ms: u64,
}

/// What a session token says: whose session it resumes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionClaim {
    /// The person.
    pub user: UserId,
    /// The session.
    pub session: SessionId,
}

/// Why a token is not good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// Not a token, not signed by the right key, or without what it must say.
    #[error("the token is not valid")]
    Invalid,
    /// It was good once.
    #[error("the token has expired")]
    Expired,
    /// It is from before its user was sent away from the hub.
    #[error("the token is from before its user was sent away")]
    Revoked,
    /// Its user is banned from the hub.
    #[error("the user is banned")]
    Banned,
    /// Tokens are minted elsewhere: the hub holds public keys only.
    #[error("this hub cannot mint tokens")]
    CannotMint,
}

#[derive(Serialize, Deserialize)]
struct Token {
    sub: String,
    #[serde(deserialize_with = "whole_seconds")]
    exp: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user_type: Option<String>,
    #[serde(default)]
    rooms: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "whole_seconds")]
    iat: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    iat_ms: Option<u64>,
    #[serde(default, deserialize_with = "whole_seconds")]
    nbf: u64,
}

/// Reads a time in seconds as issuers write it, which may have a fraction; that is dropped.
fn whole_seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let seconds = serde_json::Number::deserialize(deserializer)?;
    let text = seconds.to_string();
    let whole = text.split_once('.').map_or(text.as_str(), |(whole, _)| whole);
    whole.parse().map_err(|_| D::Error::custom("no time in seconds"))
}

/// Verifies and mints. Cheap to clone.
#[derive(Clone)]
pub struct Auth {
    inner: Live<Inner>,
    clock: Clock,
    session_key: [u8; 32],
    /// Who was sent away.
    bans: BanList,
}

struct Inner {
    mode: AuthMode,
    algorithm: Algorithm,
    keys: Vec<(Option<String>, DecodingKey)>,
    mint: Option<EncodingKey>,
    api_keys: Vec<String>,
}

impl Inner {
    fn new(config: &AuthConfig, session_key: &[u8; 32]) -> Result<Self, AuthSetupError> {
        let algorithm = match config.jwt.algorithm.as_str() {
            "RS256" => Algorithm::RS256,
            "ES256" => Algorithm::ES256,
            "EdDSA" => Algorithm::EdDSA,
            _ => Algorithm::HS256,
        };
        let (algorithm, keys, mint) = match (config.mode, &config.jwt.jwks_file) {
            (AuthMode::Dev, _) => {
                let key = (None, DecodingKey::from_secret(session_key));
                (Algorithm::HS256, vec![key], Some(EncodingKey::from_secret(session_key)))
            }
            (AuthMode::Jwt, Some(path)) => (algorithm, key_set(path, algorithm)?, None),
            (AuthMode::Jwt, None) => {
                let secrets = [&config.jwt.secret.0, &config.jwt.old_secret.0];
                let key = |secret: &&String| (None, DecodingKey::from_secret(secret.as_bytes()));
                let keys = secrets.iter().filter(|secret| !secret.is_empty()).map(key).collect();
                (Algorithm::HS256, keys, Some(EncodingKey::from_secret(config.jwt.secret.0.as_bytes())))
            }
        };
        let api_keys = config.api_keys.iter().map(|key| key.0.clone()).collect();
        Ok(Self { mode: config.mode, algorithm, keys, mint, api_keys })
    }
}

impl Auth {
    /// Reads the keys. In dev mode, and for session tokens, the hub's own key in `data_dir` is used; it is made at the first start.
    pub fn new(config: &AuthConfig, data_dir: &Path, clock: Clock) -> Result<Self, AuthSetupError> {
        Self::with_key(config, own_key(data_dir)?, clock)
    }

    /// As [`Self::new`], with a key that several nodes share.
    pub fn with_key(config: &AuthConfig, session_key: [u8; 32], clock: Clock) -> Result<Self, AuthSetupError> {
        crypto::install();
        let inner = Live::new(Inner::new(config, &session_key)?);
        Ok(Self { inner, session_key, clock, bans: BanList::default() })
    }

    /// Refuses whoever is in this list.
    #[must_use]
    pub fn refusing(self, bans: BanList) -> Self {
        Self { bans, ..self }
    }

    /// Tells whether somebody who needs no token may come in, and whoever has one still. Errors: [`AuthError::Banned`], [`AuthError::Revoked`].
    pub fn allow(&self, user: &UserId, claims: Option<&Claims>) -> Result<(), AuthError> {
        let now = self.clock.wall_ms();
        // Who needs no token has none that is too old.
        let issued = claims.map_or(u64::MAX, |claims| claims.issued_ms);
        self.bans.check(user, issued, now).map_err(|denied| match denied {
            Denied::OldToken => AuthError::Revoked,
            Denied::Banned => AuthError::Banned,
        })
    }

    /// Hears of every change of who may come in.
    #[must_use]
    pub fn ban_changes(&self) -> watch::Receiver<u64> {
        self.bans.changes()
    }

    /// Reads the keys again: tokens and API keys of the old ones are refused from here on. Open sockets stay. Errors: nothing is changed.
    pub fn reload(&self, config: &AuthConfig) -> Result<(), AuthSetupError> {
        self.inner.set(Inner::new(config, &self.session_key)?);
        Ok(())
    }

    /// Returns the key of publish tickets: every node that shares the hub's key reads them.
    #[must_use]
    pub fn ticket_key(&self) -> TicketKey {
        let mut hash = Sha256::new();
        hash.update(b"michub publish tickets");
        hash.update(self.session_key);
        TicketKey(hash.finalize().into())
    }

    /// Tells whether everybody needs a token.
    #[must_use]
    pub fn needs_token(&self) -> bool {
        self.inner.load().mode == AuthMode::Jwt
    }

    /// Verifies a client token. Errors: [`AuthError::Expired`] if only its time is over, those of [`Self::allow`], else [`AuthError::Invalid`].
    pub fn verify(&self, token: &str) -> Result<Claims, AuthError> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| AuthError::Invalid)?;
        // What must be understood is not understood here.
        if header.crit.is_some() {
            return Err(AuthError::Invalid);
        }
        let inner = self.inner.load();
        let mut validation = Validation::new(inner.algorithm);
        // Time is checked below, against the hub's own reading of the clock.
        validation.validate_exp = false;
        validation.required_spec_claims = ["exp", "sub"].map(str::to_owned).into();
        validation.validate_aud = false;
        let fits = |kid: &Option<String>| kid.is_none() || header.kid.is_none() || *kid == header.kid;
        let mut keys = inner.keys.iter().filter(|(kid, _)| fits(kid));
        let token = keys.find_map(|(_, key)| jsonwebtoken::decode::<Token>(token, key, &validation).ok());
        let token = token.ok_or(AuthError::Invalid)?.claims;
        let now = self.clock.wall_seconds();
        if token.nbf > now + LEEWAY_SECONDS {
            return Err(AuthError::Invalid);
        }
        if token.exp <= now {
            return Err(AuthError::Expired);
        }
        let user_type = token.user_type.as_deref().map(UserType::parse).transpose();
        let pair = |(room, role): (&String, &String)| Some((RoomId::parse(room).ok()?, RoleId::parse(role).ok()?));
        let rooms = token.rooms.iter().map(pair).collect::<Option<_>>();
        let claims = Claims {
            user: UserId::parse(&token.sub).map_err(|_| AuthError::Invalid)?,
            user_type: user_type.map_err(|_| AuthError::Invalid)?,
            rooms: rooms.ok_or(AuthError::Invalid)?,
            expires_at: token.exp,
            issued_at: token.iat,
            issued_ms: token.iat_ms.filter(|ms| ms / 1000 == token.iat).unwrap_or(token.iat.saturating_mul(1000)),
        };
        self.allow(&claims.user, Some(&claims))?;
        Ok(claims)
    }

    /// Mints a client token that lives for `seconds`. Returns it with its end in Unix seconds.
    pub fn mint(&self, claims: &Claims, seconds: u64) -> Result<(String, u64), AuthError> {
        let inner = self.inner.load();
        let key = inner.mint.as_ref().ok_or(AuthError::CannotMint)?;
        let now_ms = self.clock.wall_ms().max(self.bans.good_since(&claims.user));
        let now = now_ms / 1000;
        let exp = now + seconds.min(MAX_LIFE_SECONDS);
        let token = Token {
            sub: claims.user.to_string(),
            exp,
            user_type: claims.user_type.as_ref().map(ToString::to_string),
            rooms: claims.rooms.iter().map(|(room, role)| (room.to_string(), role.to_string())).collect(),
            iat: now,
            iat_ms: Some(now_ms),
            nbf: 0,
        };
        let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &token, key).map_err(|_| AuthError::CannotMint)?;
        Ok((token, exp))
    }

    /// Tells whether this is one of the API keys. Cost: the same for every text of one length.
    #[must_use]
    pub fn is_api_key(&self, text: &str) -> bool {
        let equal = |key: &String| bool::from(key.as_bytes().ct_eq(text.as_bytes()));
        self.inner.load().api_keys.iter().fold(false, |found, key| found | equal(key))
    }

    fn seal(&self, body: &str) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.session_key).ok()?;
        mac.update(b"michub session ");
        mac.update(body.as_bytes());
        Some(mac)
    }

    /// Makes the token by which a session can be resumed.
    #[must_use]
    pub fn session_token(&self, claim: &SessionClaim) -> String {
        let body = format!("{}~{}", claim.session, claim.user);
        let seal = self.seal(&body).map(|mac| mac.finalize().into_bytes());
        format!("{body}~{}", URL_SAFE_NO_PAD.encode(seal.unwrap_or_default()))
    }

    /// Verifies a session token. `None`: not ours.
    #[must_use]
    pub fn verify_session(&self, token: &str) -> Option<SessionClaim> {
        let (body, seal) = token.rsplit_once('~')?;
        let seal = URL_SAFE_NO_PAD.decode(seal).ok()?;
        self.seal(body)?.verify_slice(&seal).ok()?;
        let (session, user) = body.split_once('~')?;
        Some(SessionClaim { user: UserId::parse(user).ok()?, session: SessionId::parse(session).ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auth(mode: AuthMode) -> (Auth, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let mut config = AuthConfig { mode, ..AuthConfig::default() };
        config.jwt.secret.0 = "0123456789abcdef0123456789abcdef".to_owned();
        config.api_keys = vec![crate::server::config::secret::Secret("key-1".to_owned())];
        (Auth::new(&config, dir.path(), Clock::new()).unwrap(), dir)
    }

    fn claims() -> Claims {
        let rooms = [(RoomId::parse("r1").unwrap(), RoleId::parse("admin").unwrap())].into();
        Claims { user: UserId::parse("u1").unwrap(), user_type: None, rooms, expires_at: 0, issued_at: 0, issued_ms: 0 }
    }

    #[test]
    fn a_minted_token_is_good() {
        let (auth, _dir) = auth(AuthMode::Jwt);
        let (token, exp) = auth.mint(&claims(), 60).unwrap();
        let back = auth.verify(&token).unwrap();
        assert_eq!((back.user.as_str(), back.expires_at, back.rooms.len()), ("u1", exp, 1));
    }

    #[test]
    fn other_tokens_are_not() {
        let (auth, _dir) = auth(AuthMode::Jwt);
        let (token, _) = auth.mint(&claims(), 60).unwrap();
        let body = token.split('.').nth(1).unwrap();
        let none = format!("{}.{body}.", URL_SAFE_NO_PAD.encode("{\"alg\":\"none\"}"));
        for bad in ["", "x", "a.b.c", &none, &token[..token.len() - 2]] {
            assert_eq!(auth.verify(bad), Err(AuthError::Invalid), "{bad}");
        }
        let (old, _) = auth.mint(&claims(), 0).unwrap();
        assert_eq!(auth.verify(&old), Err(AuthError::Expired));
    }

    #[test]
    fn a_session_token_is_bound() {
        let (hub, dir) = auth(AuthMode::Dev);
        let claim = SessionClaim { user: UserId::parse("u1").unwrap(), session: SessionId::parse("s1").unwrap() };
        let token = hub.session_token(&claim);
        assert_eq!(hub.verify_session(&token), Some(claim.clone()));
        assert_eq!(hub.verify_session(&token.replace("u1", "u2")), None);
        let again = Auth::new(&AuthConfig::default(), dir.path(), Clock::new()).unwrap();
        assert_eq!(again.verify_session(&token), Some(claim), "after a restart");
        assert_eq!(auth(AuthMode::Dev).0.verify_session(&token), None, "of another hub");
    }

    #[test]
    fn keys_are_rotated_while_it_runs() {
        let (auth, _dir) = auth(AuthMode::Jwt);
        let (token, _) = auth.mint(&claims(), 60).unwrap();
        let mut config = AuthConfig { mode: AuthMode::Jwt, ..AuthConfig::default() };
        config.jwt.secret.0 = "fedcba9876543210fedcba9876543210".to_owned();
        config.jwt.old_secret.0 = "0123456789abcdef0123456789abcdef".to_owned();
        auth.reload(&config).unwrap();
        assert!(auth.verify(&token).is_ok(), "both live at once");
        let (newer, _) = auth.mint(&claims(), 60).unwrap();
        config.jwt.old_secret.0.clear();
        auth.reload(&config).unwrap();
        assert!(auth.verify(&token).is_err() && auth.verify(&newer).is_ok() && !auth.is_api_key("key-1"));
        config.jwt.jwks_file = Some("/nowhere".into());
        assert!(auth.reload(&config).is_err() && auth.verify(&newer).is_ok(), "a bad file changes nothing");
    }

    #[test]
    fn keys_are_known() {
        let (auth, _dir) = auth(AuthMode::Jwt);
        assert!(auth.is_api_key("key-1") && !auth.is_api_key("key-2") && !auth.is_api_key(""));
    }
}
