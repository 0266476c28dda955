//! Tokens that are made to be mistaken for good ones. The good ones and the keys were made once, outside; the private keys were thrown away.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey};
use michub::server::{
    auth::{Auth, AuthError},
    clock::Clock,
    config::{AuthConfig, AuthMode},
};
use serde_json::{Value, json};

fn vectors() -> Value {
    serde_json::from_str(include_str!("vectors/tokens.json")).unwrap()
}

fn verifier(algorithm: &str) -> (Auth, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("keys.json");
    std::fs::write(&file, vectors()["jwks"].to_string()).unwrap();
    let mut config = AuthConfig { mode: AuthMode::Jwt, ..AuthConfig::default() };
    config.jwt.algorithm = algorithm.to_owned();
    config.jwt.jwks_file = Some(file);
    (Auth::new(&config, dir.path(), Clock::new()).unwrap(), dir)
}

/// Makes a token out of any two documents, with a signature made of `secret`.
fn hs256(header: &Value, claims: &Value, secret: &[u8]) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(header), part(claims));
    michub::server::auth::crypto::install();
    let key = EncodingKey::from_secret(secret);
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
    format!("{message}.{signature}")
}

#[test]
fn tokens_of_the_key_set_are_good() {
    for algorithm in ["RS256", "EdDSA"] {
        let claims = verifier(algorithm).0.verify(vectors()["good"][algorithm].as_str().unwrap()).unwrap();
        assert_eq!((claims.user.as_str(), claims.expires_at), ("u1", 4_102_444_800), "{algorithm}");
    }
}

#[test]
fn whatever_is_only_nearly_one_is_refused() {
    let (auth, _dir) = verifier("RS256");
    let vectors = vectors();
    for (what, token) in vectors["RS256"].as_object().unwrap() {
        let wanted = if what == "exp is over" { AuthError::Expired } else { AuthError::Invalid };
        assert_eq!(auth.verify(token.as_str().unwrap()).err(), Some(wanted), "{what}");
    }
    let good = vectors["good"]["RS256"].as_str().unwrap();
    let parts: Vec<&str> = good.split('.').collect();
    for bad in [
        format!("{}.{}.", parts[0], parts[1]),
        format!("{}.{}", parts[0], parts[1]),
        format!("{good}="),
        format!("{good}."),
        format!(" {good}"),
        format!("{}.{}.{}", parts[0], URL_SAFE_NO_PAD.encode(r#"{"sub":"admin","exp":4102444800}"#), parts[2]),
    ] {
        assert_eq!(auth.verify(&bad).err(), Some(AuthError::Invalid), "{bad}");
    }
}

#[test]
fn a_public_key_is_no_secret() {
    let (auth, _dir) = verifier("RS256");
    let vectors = vectors();
    let claims = json!({"sub": "u1", "exp": 4_102_444_800_u64});
    let pem = vectors["public_key_pem"].as_str().unwrap();
    let (modulus, key) = (vectors["jwks"]["keys"][0]["n"].as_str().unwrap(), vectors["jwks"]["keys"][0].to_string());
    let raw = URL_SAFE_NO_PAD.decode(modulus).unwrap();
    for secret in [pem.as_bytes(), pem.trim_end().as_bytes(), modulus.as_bytes(), key.as_bytes(), &raw, b""] {
        for header in [json!({"alg": "HS256"}), json!({"alg": "HS256", "kid": "rsa-1"}), json!({"alg": "RS256", "kid": "rsa-1"})]
        {
            assert_eq!(auth.verify(&hs256(&header, &claims, secret)).err(), Some(AuthError::Invalid), "{header}");
        }
    }
}

#[test]
fn none_is_no_algorithm() {
    let mut config = AuthConfig { mode: AuthMode::Jwt, ..AuthConfig::default() };
    config.jwt.secret = serde_json::from_value(json!("0123456789abcdef0123456789abcdef")).unwrap();
    let auth = Auth::with_key(&config, [7; 32], Clock::new()).unwrap();
    let claims = json!({"sub": "u1", "exp": 4_102_444_800_u64});
    let secret = b"0123456789abcdef0123456789abcdef";
    assert!(auth.verify(&hs256(&json!({"alg": "HS256"}), &claims, secret)).is_ok());
    for alg in ["none", "None", "NONE", "nOnE", "", "HS384", "HS512", "RS256"] {
        let token = hs256(&json!({"alg": alg}), &claims, secret);
        let unsigned = format!("{}.", token.rsplit_once('.').unwrap().0);
        assert_eq!([auth.verify(&token).err(), auth.verify(&unsigned).err()], [Some(AuthError::Invalid); 2], "{alg}");
    }
    for twice in [r#"{"sub":"u1","sub":"u2","exp":4102444800}"#, r#"{"sub":"u1","exp":1,"exp":4102444800}"#] {
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#);
        let message = format!("{header}.{}", URL_SAFE_NO_PAD.encode(twice));
        let signature =
            jsonwebtoken::crypto::sign(message.as_bytes(), &EncodingKey::from_secret(secret), Algorithm::HS256).unwrap();
        assert_eq!(auth.verify(&format!("{message}.{signature}")).err(), Some(AuthError::Invalid), "{twice}");
    }
}

#[test]
fn times_may_have_a_fraction() {
    let secret = "0123456789abcdef0123456789abcdef";
    let mut config = AuthConfig { mode: AuthMode::Jwt, ..AuthConfig::default() };
    config.jwt.secret = serde_json::from_value(json!(secret)).unwrap();
    let auth = Auth::with_key(&config, [7; 32], Clock::new()).unwrap();
    let verify = |claims: &Value| auth.verify(&hs256(&json!({"alg": "HS256"}), claims, secret.as_bytes()));
    let good = verify(&json!({"sub": "u1", "exp": 4_102_444_800.75, "nbf": 1.5, "iat": 1_700_000_000.9})).unwrap();
    assert_eq!((good.expires_at, good.issued_at), (4_102_444_800, 1_700_000_000));
    let late = json!({"sub": "u1", "exp": 4_102_444_800.5, "nbf": 4_102_444_000.5});
    assert_eq!(verify(&late).err(), Some(AuthError::Invalid));
    for exp in [json!("4102444800"), json!(-1.5), json!(1e30), json!(null), json!([1])] {
        assert_eq!(verify(&json!({"sub": "u1", "exp": exp})).err(), Some(AuthError::Invalid), "{exp}");
    }
}

#[test]
fn keys_verify_only_what_they_are_for() {
    let set = |change: &Value| {
        let mut key = vectors()["jwks"]["keys"][0].clone();
        for (name, value) in change.as_object().unwrap() {
            key[name] = value.clone();
        }
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("keys.json");
        std::fs::write(&file, json!({"keys": [key]}).to_string()).unwrap();
        let mut config = AuthConfig { mode: AuthMode::Jwt, ..AuthConfig::default() };
        config.jwt.algorithm = "RS256".to_owned();
        config.jwt.jwks_file = Some(file);
        Auth::new(&config, dir.path(), Clock::new()).is_ok()
    };
    assert!(set(&json!({})) && set(&json!({"alg": null, "use": null})) && set(&json!({"key_ops": ["verify"]})));
    for other in [
        json!({"use": "enc"}),
        json!({"alg": "RS512"}),
        json!({"key_ops": ["encrypt"]}),
        json!({"kty": "oct", "alg": null, "k": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"}),
        json!({"kty": "OKP", "alg": null, "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}),
    ] {
        assert!(!set(&other), "{other}");
    }
}
