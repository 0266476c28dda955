//! The cryptography of tokens is that of TLS lines, ring: one implementation in the binary, and no second one of each curve. It knows the
//! algorithms that `auth.jwt.algorithm` may name, and refuses every other.
use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind, EncodingKey,
    crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils},
    errors::{ErrorKind, Result, new_error},
    signature::{Error, Signer, Verifier},
};
use ring::{
    hmac,
    signature::{self, ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey},
};

static RING: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| Ok(Box::new(Secret::to_sign(*algorithm, key)?)),
    verifier_factory: verifier,
    // Keys are not taken apart here.
    key_utils: KeyUtils {
        rsa_pub_components_from_private_key: |_| Err(unsupported()),
        rsa_pub_components_from_public_key: |_| Err(unsupported()),
        ec_pub_components_from_private_key: |_, _| Err(unsupported()),
        ed_pub_components_from_private_key: |_, _| Err(unsupported()),
        compute_digest: |_, _| Err(unsupported()),
    },
};

/// Names it to whatever reads or makes tokens in this process.
pub fn install() {
    // An error says that it is named already.
    let _ = RING.install_default();
}

fn unsupported() -> jsonwebtoken::errors::Error {
    new_error(ErrorKind::InvalidAlgorithm)
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>> {
    if algorithm.family() != key.family() {
        return Err(new_error(ErrorKind::InvalidKeyFormat));
    }
    match algorithm {
        Algorithm::HS256 => Ok(Box::new(Secret(hmac::Key::new(hmac::HMAC_SHA256, key.try_get_as_bytes()?)))),
        Algorithm::RS256 | Algorithm::ES256 | Algorithm::EdDSA => {
            Ok(Box::new(Public { algorithm: *algorithm, key: key.clone() }))
        }
        _ => Err(unsupported()),
    }
}

/// HS256.
struct Secret(hmac::Key);

impl Secret {
    fn to_sign(algorithm: Algorithm, key: &EncodingKey) -> Result<Self> {
        if algorithm != Algorithm::HS256 || key.family() != AlgorithmFamily::Hmac {
            return Err(unsupported());
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes())))
    }
}

impl Signer<Vec<u8>> for Secret {
    fn try_sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, Error> {
        Ok(hmac::sign(&self.0, message).as_ref().to_vec())
    }
}

impl JwtSigner for Secret {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl Verifier<Vec<u8>> for Secret {
    fn verify(&self, message: &[u8], seal: &Vec<u8>) -> std::result::Result<(), Error> {
        hmac::verify(&self.0, message, seal).map_err(|_| Error::new())
    }
}

impl JwtVerifier for Secret {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

/// RS256, ES256, EdDSA.
struct Public {
    algorithm: Algorithm,
    key: DecodingKey,
}

impl Verifier<Vec<u8>> for Public {
    fn verify(&self, message: &[u8], seal: &Vec<u8>) -> std::result::Result<(), Error> {
        let by: &'static dyn signature::VerificationAlgorithm = match self.algorithm {
            Algorithm::RS256 => &RSA_PKCS1_2048_8192_SHA256,
            Algorithm::ES256 => &ECDSA_P256_SHA256_FIXED,
            _ => &ED25519,
        };
        let verified = match self.key.kind() {
            DecodingKeyKind::RsaModulusExponent { n, e } => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, message, seal)
            }
            DecodingKeyKind::SecretOrDer(bytes) => UnparsedPublicKey::new(by, bytes).verify(message, seal),
        };
        verified.map_err(|_| Error::new())
    }
}

impl JwtVerifier for Public {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use ring::{
        rand::SystemRandom,
        signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
    };

    const MESSAGE: &[u8] = b"header.claims";

    #[test]
    fn only_the_key_and_the_algorithm_of_a_signature_verify_it() {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random).unwrap();
        let point = pair.public_key().as_ref();
        let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let key = DecodingKey::from_ec_components(&part(&point[1..33]), &part(&point[33..])).unwrap();
        let seal = pair.sign(&random, MESSAGE).unwrap().as_ref().to_vec();
        let good = verifier(&Algorithm::ES256, &key).unwrap();
        assert!(good.verify(MESSAGE, &seal).is_ok());
        assert!(good.verify(b"header.other", &seal).is_err());
        assert!(good.verify(MESSAGE, &[seal.as_slice(), &[0]].concat()).is_err());
        assert!(good.verify(MESSAGE, &Vec::new()).is_err());
        assert!(verifier(&Algorithm::ES384, &key).is_err(), "not one that a configuration can name");
        for other in [Algorithm::HS256, Algorithm::RS256, Algorithm::EdDSA] {
            assert!(verifier(&other, &key).is_err(), "{other:?}");
        }
        let secret = DecodingKey::from_secret(point);
        assert!(verifier(&Algorithm::ES256, &secret).is_err(), "a secret is no public key");
        assert!(Secret::to_sign(Algorithm::HS512, &EncodingKey::from_secret(b"s")).is_err());
    }

    #[test]
    fn a_shared_secret_signs_and_verifies() {
        // RFC 4231, test case 2.
        let (secret, message) = (b"Jefe", b"what do ya want for nothing?");
        let seal = Secret::to_sign(Algorithm::HS256, &EncodingKey::from_secret(secret)).unwrap().try_sign(message).unwrap();
        assert_eq!(seal[..4], [0x5b, 0xdc, 0xc1, 0x46]);
        let good = verifier(&Algorithm::HS256, &DecodingKey::from_secret(secret)).unwrap();
        assert!(good.verify(message, &seal).is_ok() && good.verify(MESSAGE, &seal).is_err());
        assert!(good.verify(message, &seal[..31].to_vec()).is_err());
    }
}
