use serde_json::Value;

use super::*;
use crate::crypto::ALGORITHMS;

fn octets(value: &Value, field: &str) -> Vec<u8> {
    hex::decode(value[field].as_str().unwrap()).unwrap()
}

fn digest(name: &str) -> Digest {
    match name {
        "SHA-256" => Digest::Sha256,
        "SHA-384" => Digest::Sha384,
        "SHA-512" => Digest::Sha512,
        other => panic!("{other}"),
    }
}

/// Every Wycheproof case of a file by `scheme`, whole and by digest; answers how many were judged.
fn wycheproof(file: &str, fixed: bool, scheme: impl Fn(&Value) -> Scheme) -> Option<usize> {
    let document: Value = serde_json::from_slice(&crate::vectors::read(&format!("wycheproof/{file}"))?).unwrap();
    let mut judged = 0;
    for group in document["testGroups"].as_array().unwrap() {
        let (key, scheme) = (VerifyingKey::from_spki(&octets(group, "publicKeyDer")).unwrap(), scheme(group));
        for case in group["tests"].as_array().unwrap() {
            let (message, signature) = (octets(case, "msg"), octets(case, "sig"));
            let signature = if fixed { key.signature_from_fixed(&signature) } else { Ok(signature) };
            let valid = signature.clone().and_then(|signature| key.verify(scheme, &message, &signature)).is_ok();
            let by_digest = key.hasher(scheme).map(|mut hasher| {
                message.chunks(7).for_each(|part| hasher.update(part));
                signature.clone().and_then(|signature| key.verify_digest(scheme, &hasher.finish(), &signature)).is_ok()
            });
            if case["result"] != "acceptable" {
                assert_eq!(valid, case["result"] == "valid", "{file} {}", case["tcId"]);
            }
            assert!(by_digest.is_none_or(|by_digest| by_digest == valid), "{file} {} by digest", case["tcId"]);
            judged += 1;
        }
    }
    Some(judged)
}

#[test]
fn wycheproof_signatures_are_judged_as_it_says_whole_and_by_digest() {
    let ecdsa = |group: &Value| Scheme::Ecdsa(digest(group["sha"].as_str().unwrap()));
    let pkcs1 = |group: &Value| Scheme::RsaPkcs1(digest(group["sha"].as_str().unwrap()));
    let pss = |group: &Value| Scheme::RsaPss {
        digest: digest(group["sha"].as_str().unwrap()),
        salt: group["sLen"].as_u64().unwrap().try_into().unwrap(),
    };
    type OfGroup<'a> = &'a dyn Fn(&Value) -> Scheme;
    let files: [(&str, bool, OfGroup<'_>); 8] = [
        ("ecdsa_secp256r1_sha256_test.json", false, &ecdsa),
        ("ecdsa_secp384r1_sha384_test.json", false, &ecdsa),
        ("ecdsa_secp256r1_sha256_p1363_test.json", true, &ecdsa),
        ("ecdsa_secp384r1_sha384_p1363_test.json", true, &ecdsa),
        ("ed25519_test.json", false, &|_| Scheme::Ed25519),
        ("rsa_signature_2048_sha256_test.json", false, &pkcs1),
        ("rsa_signature_4096_sha256_test.json", false, &pkcs1),
        ("rsa_pss_2048_sha256_mgf1_32_test.json", false, &pss),
    ];
    for (file, fixed, scheme) in files {
        let Some(judged) = wycheproof(file, fixed, scheme) else { return };
        assert!(judged > 100, "{file}");
    }
}

#[test]
fn sm2_signatures_of_the_vectors_are_judged_whole_and_by_digest() {
    let Some(file) = crate::vectors::read("sm2/sm2_signature.json") else { return };
    let document: Value = serde_json::from_slice(&file).unwrap();
    let spki = |point: &[u8]| {
        let mut der = hex::decode("3059301306072a8648ce3d020106082a811ccf5501822d034200").unwrap();
        der.extend_from_slice(point);
        der
    };
    let mut judged = 0;
    for case in document["tests"].as_array().unwrap() {
        let message = octets(case, "msg");
        let Ok(key) = VerifyingKey::from_spki(&spki(&octets(case, "publicKey"))) else {
            assert_eq!(case["result"], "invalid");
            continue;
        };
        // The identities of other lengths are not used in certificates.
        if case["id"].as_str() != Some("31323334353637383132333435363738") && case["id"].as_str() != Some("1234567812345678") {
            continue;
        }
        let mut hasher = key.hasher(Scheme::Sm2).unwrap();
        hasher.update(&message);
        let digest = hasher.finish();
        for result in
            [key.verify(Scheme::Sm2, &message, &octets(case, "sig")), key.verify_digest(Scheme::Sm2, &digest, &octets(case, "sig"))]
        {
            assert_eq!(result.is_ok(), case["result"] == "valid", "{}", case["tcId"]);
        }
        judged += 1;
    }
    assert!(judged > 40, "{judged}");
}

#[test]
fn every_algorithm_of_ours_is_verified_and_no_scheme_of_another_key_is() {
    for algorithm in ALGORITHMS {
        let own = algorithm.load(&algorithm.generate().unwrap()).unwrap();
        let key = VerifyingKey::from_spki(own.public_key().spki()).unwrap();
        let signature = own.sign(b"message").unwrap();
        let identifier = algorithm.signature_algorithm();
        let scheme = Scheme::parse(der::referenced::OwnedToRef::owned_to_ref(&identifier)).unwrap();
        key.verify(scheme, b"message", &signature).unwrap();
        assert_eq!(key.verify(scheme, b"massage", &signature), Err(Error::Signature));
        for other in [Scheme::Ed25519, Scheme::Sm2, Scheme::Ecdsa(Digest::Sha1), Scheme::RsaPkcs1(Digest::Sha256)] {
            if other != scheme {
                assert!(matches!(key.verify(other, b"message", &signature), Err(Error::UnknownAlgorithm(_))), "{other:?}");
            }
        }
    }
}

#[test]
fn rsa_keys_are_of_sane_size_with_an_odd_exponent_and_weak_ones_verify_only_when_asked_for() {
    let spki = |bits: usize, exponent: u8| {
        let mut modulus = vec![0xff; bits / 8];
        *modulus.last_mut().unwrap() = 1;
        let key =
            RsaPublicKey { modulus: UintRef::new(&modulus).unwrap(), exponent: UintRef::new(std::slice::from_ref(&exponent)).unwrap() };
        let der = der::Encode::to_der(&key).unwrap();
        let spki = spki::SubjectPublicKeyInfoOwned {
            algorithm: spki::AlgorithmIdentifierOwned { oid: RSA, parameters: Some(der::Any::null()) },
            subject_public_key: der::asn1::BitString::from_bytes(&der).unwrap(),
        };
        der::Encode::to_der(&spki).unwrap()
    };
    for (bits, exponent, expected) in
        [(1016, 3, false), (1024, 3, true), (2048, 3, true), (2048, 1, false), (2048, 4, false), (8192, 3, true), (8200, 3, false)]
    {
        assert_eq!(VerifyingKey::from_spki(&spki(bits, exponent)).is_ok(), expected, "{bits} {exponent}");
    }
    let weak = VerifyingKey::from_spki(&spki(1024, 3)).unwrap();
    let sha1 = Scheme::RsaPkcs1(Digest::Sha1);
    assert!(matches!(weak.verify(sha1, b"message", &[1; 128]), Err(Error::UnknownAlgorithm(_))));
    assert_eq!(weak.verify_with_strength(Strength::Legacy, sha1, b"message", &[1; 128]), Err(Error::Signature));
    assert!(matches!(weak.verify(Scheme::RsaPkcs1(Digest::Sha256), b"message", &[1; 128]), Err(Error::UnknownAlgorithm(_))));
}
