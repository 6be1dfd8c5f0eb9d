//! Signatures of every form, by others' programs and made here, and everything that must speak against one.

mod made;

use base64::prelude::*;
use der::{Tag, asn1::UtcTime};
use time::{Duration, macros::datetime};

use self::made::{Signer, attribute, element, families, file};
use super::{
    Asked, SignatureReason, SignatureReport,
    cms::Moment,
    document::{self, Given},
    time_stamp::{Token, not_a_token},
};
use crate::{
    crypto::{ALGORITHMS, Digest, algorithms},
    validation::{
        CheckName, Purpose, Reason, Report, StatusReport, Verdict,
        report::{Hashed, Judged, SubIndication},
    },
    world::rfc3339,
    x509::{
        cms::{self, Dialect},
        fixtures::OpenSsl,
        tsp::MessageImprint,
    },
};

const NOW: time::OffsetDateTime = datetime!(2030-06-01 12:00 UTC);
const CONTENT: &[u8] = b"content";
const MOMENT: Moment = Moment { at: None, now: NOW };

fn good(asked: &Asked<'_>) -> Report {
    Report::without_status(Reason::Valid, asked.at.unwrap_or(NOW))
}

fn judge(file: &[u8], given: Given<'_>) -> SignatureReport {
    document::judge(file, given, &[], MOMENT, &good)
}

fn reason(file: &[u8], given: Given<'_>) -> SignatureReason {
    judge(file, given).reason()
}

/// The file with one octet of `needle` changed, wherever it stands last.
fn bent(file: &[u8], needle: &[u8]) -> Vec<u8> {
    let mut bent = file.to_vec();
    let place = bent.windows(needle.len()).rposition(|window| window == needle).expect("what is to be bent is there");
    bent[place] ^= 1;
    bent
}

#[test]
fn every_form_that_openssl_makes_holds_until_the_content_changes() {
    let Some(openssl) = OpenSsl::find() else { return };
    openssl.write("content", CONTENT);
    for (name, key) in
        [("rsa", "rsa:2048"), ("p256", "ec -pkeyopt ec_paramgen_curve:P-256"), ("p384", "ec -pkeyopt ec_paramgen_curve:P-384")]
    {
        openssl.run(&format!("req -x509 -newkey {key} -nodes -keyout {name}.key -out {name}.pem -subj /CN={name} -days 30"));
    }
    let pss = "-signer rsa.pem -inkey rsa.key -keyopt rsa_padding_mode:pss -md sha256";
    let [short_salt, bare_pss] = ["-keyopt rsa_pss_saltlen:32", "-noattr"].map(|more| format!("{pss} {more}"));
    for options in [
        "-signer p256.pem -inkey p256.key",
        "-signer p256.pem -inkey p256.key -noattr",
        "-signer p256.pem -inkey p256.key -keyid",
        "-signer p256.pem -inkey p256.key -cades",
        "-signer p256.pem -inkey p256.key -stream",
        "-signer p384.pem -inkey p384.key -md sha384",
        "-signer rsa.pem -inkey rsa.key -md sha512 -noattr",
        pss,
        &short_salt,
        &bare_pss,
        "-signer p256.pem -inkey p256.key -signer rsa.pem -inkey rsa.key",
    ] {
        let sign = |more: &str| {
            openssl.run(&format!("cms -sign -binary -outform DER -in content -out signed {options} {more}"));
            openssl.read("signed")
        };
        let attached = sign("-nodetach");
        assert_eq!(judge(&attached, Given::Nothing).reason(), SignatureReason::SignatureValid, "{options}");
        assert_eq!(reason(&attached, Given::Content(CONTENT)), SignatureReason::SignatureValid, "{options}");
        assert_ne!(judge(&bent(&attached, CONTENT), Given::Nothing).verdict(), Verdict::Passed, "{options}");
        // openssl streams only what it carries.
        if options.ends_with("-stream") {
            continue;
        }
        let detached = sign("");
        assert_eq!(reason(&detached, Given::Content(CONTENT)), SignatureReason::SignatureValid, "{options}");
        assert_ne!(judge(&detached, Given::Content(b"contend")).verdict(), Verdict::Passed, "{options}");
        assert_eq!(reason(&detached, Given::Nothing), SignatureReason::ContentMissing, "{options}");
    }
}

#[test]
fn both_dialects_with_and_without_attributes_are_judged_alike() {
    for algorithm in ALGORITHMS {
        for dialect in [Dialect::Cms, Dialect::Gm] {
            let signer = Signer::new(*algorithm, 1);
            for info in [signer.over_attributes(&signer.attributes(dialect.data(), CONTENT), &[]), signer.over_content(CONTENT)] {
                let signed = file(dialect, dialect.data(), Some(CONTENT), &[&signer], std::slice::from_ref(&info));
                let report = judge(&signed, Given::Nothing);
                assert_eq!(report.reason(), SignatureReason::SignatureValid, "{:?}", report.signatures[0].checks);
                assert_eq!(report.format, if dialect == Dialect::Gm { "gm-t-0010" } else { "cms" });
                assert_ne!(judge(&bent(&signed, CONTENT), Given::Nothing).verdict(), Verdict::Passed);
            }
        }
    }
}

#[test]
fn a_hundred_signers_are_judged_and_one_bad_one_is_seen() {
    for algorithm in families() {
        let signers: Vec<Signer> = (0..100).map(|serial| Signer::new(algorithm, serial)).collect();
        let named: Vec<&Signer> = signers.iter().collect();
        for without_attributes in [false, true] {
            let mut infos: Vec<Vec<u8>> = signers
                .iter()
                .map(|signer| match without_attributes {
                    true => signer.over_content(CONTENT),
                    false => signer.over_attributes(&signer.attributes(Dialect::Cms.data(), CONTENT), &[]),
                })
                .collect();
            let report = judge(&file(Dialect::Cms, Dialect::Cms.data(), Some(CONTENT), &named, &infos), Given::Nothing);
            assert_eq!((report.verdict(), report.signatures.len()), (Verdict::Passed, 100));
            infos[57] = signers[57].over_content(b"other");
            let report = judge(&file(Dialect::Cms, Dialect::Cms.data(), Some(CONTENT), &named, &infos), Given::Nothing);
            assert_eq!(report.reason(), SignatureReason::SignatureBroken);
            assert_eq!(report.signatures.iter().filter(|one| one.reason() != SignatureReason::SignatureValid).count(), 1);
        }
    }
}

#[test]
fn more_signers_than_are_looked_at_never_pass() {
    let signers: Vec<Signer> = (0..=255).map(|serial| Signer::new(&algorithms::Sm2, serial)).collect();
    let named: Vec<&Signer> = signers.iter().collect();
    let infos: Vec<Vec<u8>> = signers.iter().map(|signer| signer.over_content(CONTENT)).collect();
    let whole = file(Dialect::Gm, Dialect::Gm.data(), Some(CONTENT), &named, &infos);
    let report = judge(&whole, Given::Nothing);
    // Each needs a hash of the content of its own, which is more work than is done for one file.
    assert_eq!((report.reason(), report.verdict()), (SignatureReason::TooMuchWork, Verdict::Indeterminate));
    let crowd = [infos.clone(), infos[..1].to_vec()].concat();
    let report = judge(&file(Dialect::Gm, Dialect::Gm.data(), Some(CONTENT), &named, &crowd), Given::Nothing);
    assert_eq!((report.reason(), report.signatures.len()), (SignatureReason::FormatError, 0));
    assert!(report.checks[0].detail.contains("256 signers"), "{:?}", report.checks);
}

#[test]
fn attributes_that_contradict_the_content_or_each_other_are_refused() {
    let signer = Signer::new(&algorithms::P256, 1);
    let data = Dialect::Cms.data();
    let digest = signer.message_digest(CONTENT);
    let content_type = attribute(cms::ID_CONTENT_TYPE, &data);
    let two_digests = {
        let one = element(Tag::OctetString, &signer.hash(CONTENT));
        let id = der::Encode::to_der(&cms::ID_MESSAGE_DIGEST).unwrap();
        element(Tag::Sequence, &[id, element(Tag::Set, &[one.clone(), one].concat())].concat())
    };
    for (name, attributes, expected) in [
        ("right", vec![content_type.clone(), digest.clone()], SignatureReason::SignatureValid),
        ("no content type", vec![digest.clone()], SignatureReason::AttributesContradict),
        ("no digest", vec![content_type.clone()], SignatureReason::AttributesContradict),
        ("another type", vec![attribute(cms::ID_CONTENT_TYPE, &Dialect::Gm.data()), digest.clone()], SignatureReason::AttributesContradict),
        ("a digest twice", vec![content_type.clone(), digest.clone(), digest.clone()], SignatureReason::AttributesContradict),
        ("two values", vec![content_type.clone(), two_digests], SignatureReason::AttributesContradict),
        ("another content", vec![content_type.clone(), signer.message_digest(b"other")], SignatureReason::ContentChanged),
    ] {
        let signed = file(Dialect::Cms, data, Some(CONTENT), &[&signer], &[signer.over_attributes(&attributes, &[])]);
        assert_eq!(reason(&signed, Given::Nothing), expected, "{name}");
    }
    // RFC 5652 §5.3: what is not plain data is signed with attributes.
    let receipt = "1.2.840.113549.1.9.16.1.1".parse().unwrap();
    let signed = file(Dialect::Cms, receipt, Some(CONTENT), &[&signer], &[signer.over_content(CONTENT)]);
    assert_eq!(reason(&signed, Given::Nothing), SignatureReason::AttributesContradict);
}

#[test]
fn a_signature_over_attributes_is_none_over_content_of_the_same_octets() {
    for algorithm in ALGORITHMS {
        let signer = Signer::new(*algorithm, 1);
        let mut attributes = signer.attributes(Dialect::Cms.data(), CONTENT);
        attributes.sort();
        let set = element(Tag::Set, &attributes.concat());
        let signature = signer.key.sign(&set).unwrap();
        let forged = file(Dialect::Cms, Dialect::Cms.data(), Some(&set), &[&signer], &[signer.info(None, &signature, &[])]);
        assert_eq!(reason(&forged, Given::Nothing), SignatureReason::AttributesContradict);
    }
}

#[test]
fn content_beside_a_signature_that_carries_its_own_must_be_the_same() {
    for algorithm in families() {
        let signer = Signer::new(algorithm, 1);
        let info = signer.over_attributes(&signer.attributes(Dialect::Cms.data(), CONTENT), &[]);
        let attached = file(Dialect::Cms, Dialect::Cms.data(), Some(CONTENT), &[&signer], std::slice::from_ref(&info));
        let detached = file(Dialect::Cms, Dialect::Cms.data(), None, &[&signer], &[info]);
        let digest = signer.key.public_key().algorithm().digest();
        let (hash, other) = (digest.hash(CONTENT), digest.hash(b"other"));
        for (name, given, of_attached, of_detached) in [
            ("the content", Given::Content(CONTENT), SignatureReason::SignatureValid, SignatureReason::SignatureValid),
            ("its beginning", Given::Content(&CONTENT[..3]), SignatureReason::ContentChanged, SignatureReason::ContentChanged),
            ("more than it", Given::Content(b"contents"), SignatureReason::ContentChanged, SignatureReason::ContentChanged),
            ("its hash", Given::Hash(digest, &hash), SignatureReason::SignatureValid, SignatureReason::SignatureValid),
            ("another hash", Given::Hash(digest, &other), SignatureReason::ContentChanged, SignatureReason::ContentChanged),
            ("by another function", Given::Hash(Digest::Sha512, &hash), SignatureReason::ContentChanged, SignatureReason::ContentMissing),
        ] {
            assert_eq!(reason(&attached, given), of_attached, "{name}, attached");
            assert_eq!(reason(&detached, given), of_detached, "{name}, detached");
        }
        let without_attributes = file(Dialect::Cms, Dialect::Cms.data(), None, &[&signer], &[signer.over_content(CONTENT)]);
        assert_eq!(reason(&without_attributes, Given::Hash(digest, &hash)), SignatureReason::ContentMissing);
    }
}

#[test]
fn counter_signatures_have_verdicts_of_their_own_a_few_levels_deep() {
    for algorithm in families() {
        let [signer, second, third] = [1, 2, 3].map(|serial| Signer::new(algorithm, serial));
        let data = Dialect::Cms.data();
        let attributes = {
            let mut attributes = signer.attributes(data, CONTENT);
            attributes.sort();
            attributes.concat()
        };
        let signature = signer.key.sign(&element(Tag::Set, &attributes)).unwrap();
        let counter = |by: &Signer, over: &[u8], unsigned: &[Vec<u8>]| by.over_attributes(&[by.message_digest(over)], unsigned);
        let unsigned = |info: Vec<u8>| vec![cms::attribute(cms::ID_COUNTER_SIGNATURE, &info).unwrap()];
        let with = |info: Vec<u8>| {
            let info = signer.info(Some(&attributes), &signature, &unsigned(info));
            judge(&file(Dialect::Cms, data, Some(CONTENT), &[&signer, &second, &third], &[info]), Given::Nothing)
        };
        let report = with(counter(&second, &signature, &[]));
        assert_eq!(
            (report.verdict(), report.signatures[0].counter_signatures[0].reason()),
            (Verdict::Passed, SignatureReason::SignatureValid)
        );
        // One that does not hold takes nothing from the signature under it.
        let report = with(counter(&second, b"other", &[]));
        assert_eq!(
            (report.verdict(), report.signatures[0].counter_signatures[0].reason()),
            (Verdict::Passed, SignatureReason::ContentChanged)
        );
        // RFC 5652 §11.4: there is no content type, for there is no content.
        let typed = second.over_attributes(&second.attributes(data, &signature), &[]);
        assert_eq!(with(typed).signatures[0].counter_signatures[0].reason(), SignatureReason::AttributesContradict);
        // Followed twice and no further.
        let mut nested = counter(&third, b"deep", &[]);
        for _ in 0..3 {
            nested = counter(&third, b"deep", &unsigned(nested));
        }
        let report = with(nested);
        assert!(report.signatures[0].counter_signatures[0].counter_signatures[0].counter_signatures.is_empty());
    }
}

/// A certificate that was good until `revoked`, and is judged at the time that is asked.
fn revoked_since(revoked: time::OffsetDateTime, cause: &'static str, asked: &Asked<'_>) -> Report {
    let at = asked.at.unwrap_or(NOW);
    let is_revoked = at >= revoked;
    let status = StatusReport {
        state: if is_revoked { "revoked" } else { "good" },
        reason: is_revoked.then_some(cause),
        since: is_revoked.then(|| rfc3339(revoked)),
        invalid_since: None,
        as_of: rfc3339(at),
    };
    Report::new(if is_revoked { Reason::Revoked } else { Reason::Valid }, status, Vec::new(), Vec::new(), None)
}

#[test]
fn a_signature_stays_good_after_a_revocation_when_a_token_proves_that_it_is_older() {
    let revoked = NOW - Duration::days(10);
    for algorithm in families() {
        let (signer, stamper) = (Signer::new(algorithm, 1), Signer::stamper(algorithm));
        let data = Dialect::Cms.data();
        let signed = |claimed: Option<time::OffsetDateTime>, stamped: Option<time::OffsetDateTime>| {
            let mut attributes = signer.attributes(data, CONTENT);
            let time = |time: time::OffsetDateTime| {
                UtcTime::from_unix_duration(std::time::Duration::from_secs(time.unix_timestamp().unsigned_abs())).unwrap()
            };
            attributes.extend(claimed.map(|claimed| attribute(cms::ID_SIGNING_TIME, &time(claimed))));
            attributes.sort();
            let signature = signer.key.sign(&element(Tag::Set, &attributes.concat())).unwrap();
            let imprint = MessageImprint::of(algorithm.digest(), &signature);
            let unsigned: Vec<Vec<u8>> = stamped
                .map(|time| cms::attribute(cms::ID_SIGNATURE_TIME_STAMP, &stamper.token(imprint, time)).unwrap())
                .into_iter()
                .collect();
            let info = signer.info(Some(&attributes.concat()), &signature, &unsigned);
            file(Dialect::Cms, data, Some(CONTENT), &[&signer, &stamper], &[info])
        };
        let by_ledger = |asked: &Asked<'_>| match asked.purpose {
            Purpose::TimeStamping => good(asked),
            _ => revoked_since(revoked, "keyCompromise", asked),
        };
        let (before, after) = (revoked - Duration::days(1), revoked + Duration::days(1));
        for (name, claimed, stamped, expected, source) in [
            ("stamped before", None, Some(before), SignatureReason::SignatureValid, "time-stamp"),
            ("stamped after", None, Some(after), SignatureReason::RevokedNoProofOfTime, "time-stamp"),
            ("not stamped", None, None, SignatureReason::RevokedNoProofOfTime, "now"),
            ("claims to be older", Some(before), None, SignatureReason::RevokedNoProofOfTime, "now"),
            ("says itself that it is younger", Some(after), None, SignatureReason::Certificate(Reason::Revoked), "now"),
            ("stamped tomorrow", None, Some(NOW + Duration::DAY), SignatureReason::RevokedNoProofOfTime, "now"),
        ] {
            let report = document::judge(&signed(claimed, stamped), Given::Nothing, &[], MOMENT, &by_ledger);
            let time = &report.signatures[0].best_signature_time;
            assert_eq!((report.reason(), time.source), (expected, source), "{name}");
            if expected == SignatureReason::RevokedNoProofOfTime {
                assert_eq!(report.judgement.sub_indication, Some(SubIndication::RevokedNoPoe));
            }
        }
        // Asked about a time before the token, the token was not there yet.
        let asked = Moment { at: Some(before - Duration::days(1)), now: NOW };
        let report = document::judge(&signed(None, Some(before)), Given::Nothing, &[], asked, &by_ledger);
        assert_eq!(report.signatures[0].best_signature_time.source, "asked");
        // A token of another signature proves nothing, whatever its time.
        let other = document::judge(&signed(None, Some(before)), Given::Nothing, &[], MOMENT, &by_ledger);
        assert_eq!(other.signatures[0].time_stamps[0].judgement.verdict, Verdict::Passed);
    }
}

#[test]
fn a_question_about_a_time_before_the_signers_own_is_not_answered_with_passed() {
    for algorithm in families() {
        let signer = Signer::new(algorithm, 1);
        let claimed = UtcTime::from_unix_duration(std::time::Duration::from_secs(NOW.unix_timestamp().unsigned_abs())).unwrap();
        let mut attributes = signer.attributes(Dialect::Cms.data(), CONTENT);
        attributes.push(attribute(cms::ID_SIGNING_TIME, &claimed));
        let info = signer.over_attributes(&attributes, &[]);
        let signed = file(Dialect::Cms, Dialect::Cms.data(), Some(CONTENT), &[&signer], &[info]);
        for (name, at, expected) in [
            ("before", Some(NOW - Duration::SECOND), SignatureReason::SignedAfterAskedTime),
            ("then", Some(NOW), SignatureReason::SignatureValid),
            ("after", Some(NOW + Duration::SECOND), SignatureReason::SignatureValid),
            ("now", None, SignatureReason::SignatureValid),
        ] {
            let moment = Moment { at, now: NOW + Duration::DAY };
            assert_eq!(document::judge(&signed, Given::Nothing, &[], moment, &good).reason(), expected, "{name}");
        }
    }
}

/// On the certificate of a signer whose status nobody proved; that of who stamped is good, or the other way round.
fn unproven(of: Purpose) -> impl Fn(&Asked<'_>) -> Report {
    move |asked| match asked.purpose == of {
        true => Report::without_status(Reason::ValidStatusNotProven, asked.at.unwrap_or(NOW)),
        false => good(asked),
    }
}

#[test]
fn a_status_that_nobody_proved_is_said_at_the_top_whoever_it_is_of() {
    for algorithm in families() {
        let (signer, stamper) = (Signer::new(algorithm, 1), Signer::stamper(algorithm));
        let mut attributes = signer.attributes(Dialect::Cms.data(), CONTENT);
        attributes.sort();
        let signature = signer.key.sign(&element(Tag::Set, &attributes.concat())).unwrap();
        let token = stamper.token(MessageImprint::of(algorithm.digest(), &signature), NOW - Duration::DAY);
        let unsigned = [cms::attribute(cms::ID_SIGNATURE_TIME_STAMP, &token).unwrap()];
        let info = signer.info(Some(&attributes.concat()), &signature, &unsigned);
        let signed = file(Dialect::Cms, Dialect::Cms.data(), Some(CONTENT), &[&signer, &stamper], &[info]);
        for of in [Purpose::DocumentSigning, Purpose::TimeStamping] {
            let report = document::judge(&signed, Given::Nothing, &[], MOMENT, &unproven(of));
            assert_eq!((report.reason(), report.verdict()), (SignatureReason::ValidStatusNotProven, Verdict::Passed), "{of:?}");
        }
        assert_eq!(reason(&signed, Given::Nothing), SignatureReason::SignatureValid);
        // A time stamp that does not count is seen at the top, beside a signature that holds.
        let revoked = |asked: &Asked<'_>| match asked.purpose {
            Purpose::TimeStamping => Report::without_status(Reason::Revoked, NOW),
            _ => good(asked),
        };
        let report = document::judge(&signed, Given::Nothing, &[], MOMENT, &revoked);
        assert_eq!((report.verdict(), report.remarks[0].code), (Verdict::Passed, "time-stamp-not-counted"));
    }
}

#[test]
fn a_report_says_what_it_is_about() {
    let signer = Signer::new(&algorithms::Sm2, 1);
    let info = signer.over_attributes(&signer.attributes(Dialect::Gm.data(), CONTENT), &[]);
    let attached = file(Dialect::Gm, Dialect::Gm.data(), Some(CONTENT), &[&signer], std::slice::from_ref(&info));
    let detached = file(Dialect::Gm, Dialect::Gm.data(), None, &[&signer], &[info]);
    let hash = Digest::Sm3.hash(CONTENT);
    // By the function of its signer, which hashes it once.
    let content = Some(Hashed::new(Digest::Sm3, &hash));
    for (name, signed, given, expected) in [
        ("carried", &attached, Given::Nothing, content.clone()),
        ("given", &detached, Given::Content(CONTENT), content.clone()),
        ("its digest", &detached, Given::Hash(Digest::Sm3, &hash), content),
        ("missing", &detached, Given::Nothing, None),
    ] {
        let judged = judge(signed, given).judged.unwrap();
        assert_eq!((judged.file, judged.content), (Some(Hashed::of(signed)), expected), "{name}");
        assert_eq!((judged.verified_at, judged.at), (rfc3339(NOW), None));
    }
    let large = vec![0; Judged::MAX_HASHED as usize + 1];
    assert_eq!(Judged::default().file(&large).file, None);
    assert_eq!(Judged::default().file(&large[1..]).file, Some(Hashed::of(&large[1..])));
    let sha256 = Digest::Sha256.hash(CONTENT);
    let report = judge(&detached, Given::Hash(Digest::Sha256, &sha256));
    let check = report.signatures[0].checks.iter().find(|check| check.name == CheckName::Content).unwrap();
    assert_eq!(check.detail, "the signature is by SM3, the digest that was given by SHA-256");
}

#[test]
fn a_detached_jws_without_its_payload_lacks_the_content() {
    for algorithm in families() {
        let signer = Signer::new(algorithm, 1);
        let header = serde_json::json!({"alg": algorithm.jose_name(), "x5c": [BASE64_STANDARD.encode(signer.certificate.der())]});
        let header = BASE64_URL_SAFE_NO_PAD.encode(header.to_string());
        let sign = |payload: &[u8]| {
            let input = format!("{header}.{}", BASE64_URL_SAFE_NO_PAD.encode(payload));
            let signature = algorithm.signature_to_jose(&signer.key.sign(input.as_bytes()).unwrap()).unwrap();
            format!("{header}..{}", BASE64_URL_SAFE_NO_PAD.encode(signature)).into_bytes()
        };
        let detached = sign(CONTENT);
        assert_eq!(reason(&detached, Given::Nothing), SignatureReason::ContentMissing);
        assert_eq!(reason(&detached, Given::Content(CONTENT)), SignatureReason::SignatureValid);
        assert_eq!(reason(&detached, Given::Content(b"other")), SignatureReason::SignatureBroken);
        // Nothing at all may be what was signed.
        assert_eq!(reason(&sign(b""), Given::Nothing), SignatureReason::SignatureValid);
    }
}

#[test]
fn what_is_no_signature_is_said_to_be_what_it_is() {
    let signer = Signer::stamper(&algorithms::P256);
    let token = signer.token(MessageImprint::of(Digest::Sha256, CONTENT), NOW);
    let pem = signer.certificate.to_pem();
    let bare = signer.key.sign(CONTENT).unwrap();
    for (file, format, word) in [
        (&token[..], "time-stamp", "hufu verify timestamp"),
        (signer.certificate.der(), "certificate", "no signature"),
        (pem.as_bytes(), "certificate", "no signature"),
        (&bare[..], "bare-signature", "--raw"),
        (b"", "empty", "empty"),
        (b"MIME-Version: 1.0\nContent-Type: multipart/signed\n\n", "smime", "smime.p7s"),
    ] {
        let report = judge(file, Given::Content(CONTENT));
        assert_eq!((report.reason(), report.format), (SignatureReason::UnsupportedFormat, format));
        assert!(report.judgement.message.en.contains(word), "{:?}", report.judgement.message);
    }
    let cut = judge(&token[..token.len() - 9], Given::Nothing);
    assert_eq!(cut.reason(), SignatureReason::FormatError);
    assert!(cut.judgement.message.en.contains("cut short"), "{:?}", cut.judgement.message);
    let other = not_a_token(signer.certificate.der(), "no token");
    assert_eq!((other.judgement.reason, other.judgement.message.en), (SignatureReason::UnsupportedFormat, "This is no time stamp."));
}

#[test]
fn a_token_counts_only_by_an_authority_that_may_and_whose_key_was_not_in_other_hands() {
    let time = NOW - Duration::days(30);
    let revoked = NOW - Duration::days(10);
    for algorithm in families() {
        let stamper = Signer::stamper(algorithm);
        let imprint = || MessageImprint::of(algorithm.digest(), CONTENT);
        let token = Token::parse(&stamper.token(imprint(), time)).unwrap();
        let hash = algorithm.digest().hash(CONTENT);
        for (name, cause, expected) in [
            ("retired", "superseded", SignatureReason::TimeStampValid),
            ("ended", "cessationOfOperation", SignatureReason::TimeStampValid),
            ("stolen", "keyCompromise", SignatureReason::Certificate(Reason::Revoked)),
        ] {
            let by_ledger = |asked: &Asked<'_>| revoked_since(revoked, cause, asked);
            assert_eq!(token.judge(Some(&hash), &[], NOW, &by_ledger).judgement.reason, expected, "{name}");
            // That the certificate has expired since changes nothing of what became of the key.
            let expired = |asked: &Asked<'_>| match asked.at {
                None => Report::new(Reason::Expired, by_ledger(asked).status, Vec::new(), Vec::new(), None),
                Some(_) => by_ledger(asked),
            };
            assert_eq!(token.judge(Some(&hash), &[], NOW, &expired).judgement.verdict, expected.verdict(), "{name}, and expired since");
        }
        let younger = Token::parse(&stamper.token(imprint(), NOW - Duration::days(5))).unwrap();
        let retired = |asked: &Asked<'_>| revoked_since(revoked, "superseded", asked);
        assert_eq!(younger.judge(Some(&hash), &[], NOW, &retired).judgement.reason, SignatureReason::Certificate(Reason::Revoked));
        assert_eq!(token.judge(Some(&hash[1..]), &[], NOW, &good).judgement.reason, SignatureReason::TimeStampOfOtherContent);
        assert_eq!(token.judge(None, &[], NOW, &good).judgement.reason, SignatureReason::ContentMissing);
        let tomorrow = Token::parse(&stamper.token(imprint(), NOW + Duration::DAY)).unwrap();
        assert_eq!(tomorrow.judge(Some(&hash), &[], NOW, &good).judgement.reason, SignatureReason::TimeStampFromTheFuture);
        let anybody = Token::parse(&Signer::new(algorithm, 9).token(imprint(), time)).unwrap();
        assert_eq!(anybody.judge(Some(&hash), &[], NOW, &good).judgement.reason, SignatureReason::NotATimeStampAuthority);
    }
}

#[test]
fn a_signer_without_certificate_or_with_another_is_said_to_be_so() {
    for algorithm in families() {
        let [signer, other] = [1, 2].map(|serial| Signer::new(algorithm, serial));
        let info = signer.over_attributes(&signer.attributes(Dialect::Cms.data(), CONTENT), &[]);
        let orphan = file(Dialect::Cms, Dialect::Cms.data(), Some(CONTENT), &[&other], std::slice::from_ref(&info));
        assert_eq!(reason(&orphan, Given::Nothing), SignatureReason::SignerCertificateMissing);
        let more = [signer.certificate.clone()];
        assert_eq!(document::judge(&orphan, Given::Nothing, &more, MOMENT, &good).verdict(), Verdict::Passed);
        // Signed by one, said to be by the other.
        let stolen = Signer { key: algorithm.load(&algorithm.generate().unwrap()).unwrap(), certificate: signer.certificate.clone() };
        let info = stolen.over_attributes(&stolen.attributes(Dialect::Cms.data(), CONTENT), &[]);
        let forged = file(Dialect::Cms, Dialect::Cms.data(), Some(CONTENT), &[&signer], &[info]);
        assert_eq!(reason(&forged, Given::Nothing), SignatureReason::SignatureBroken);
        let refuses = |_: &Asked<'_>| Report::without_status(Reason::NotIssued, NOW);
        let info = signer.over_attributes(&signer.attributes(Dialect::Cms.data(), CONTENT), &[]);
        let report = document::judge(
            &file(Dialect::Cms, Dialect::Cms.data(), Some(CONTENT), &[&signer], &[info]),
            Given::Nothing,
            &[],
            MOMENT,
            &refuses,
        );
        assert_eq!(report.reason(), SignatureReason::Certificate(Reason::NotIssued));
    }
    assert_eq!(
        reason(&file(Dialect::Cms, Dialect::Cms.data(), Some(CONTENT), &[&Signer::new(&algorithms::P256, 1)], &[]), Given::Nothing),
        SignatureReason::NoSigner
    );
}

#[test]
fn what_is_nested_endless_or_absurd_is_refused_in_little_time() {
    let signer = Signer::new(&algorithms::P256, 1);
    let data = Dialect::Cms.data();
    let one = attribute(cms::ID_SIGNING_TIME, &data);
    let [crowd, horde] = [100_000, 1_000_000].map(|number| one.repeat(number));
    let info = signer.info(Some(&crowd), b"signature", &[]);
    let unsigned = signer.info(None, b"signature", std::slice::from_ref(&crowd));
    let values = element(
        Tag::Sequence,
        &[der::Encode::to_der(&cms::ID_SIGNING_TIME).unwrap(), element(Tag::Set, &[5, 0].repeat(1_000_000))].concat(),
    );
    let many_values = signer.info(Some(&values), b"signature", &[]);
    let deep = [[0x30, 0x80].repeat(500_000), [0, 0].repeat(500_000)].concat();
    let nested = signer.info(Some(&deep), b"signature", &[]);
    for (name, info, why) in [
        ("many attributes", info, "128 attributes"),
        ("many unsigned attributes", unsigned, "128 attributes"),
        ("a million attributes", signer.info(Some(&horde), b"signature", &[]), "16777216 octets beside the content"),
        ("a million values", many_values, "64 values"),
        ("a million levels", nested, "nested deeper"),
    ] {
        let report = judge(&file(Dialect::Cms, data, Some(CONTENT), &[&signer], &[info]), Given::Nothing);
        assert_eq!(report.reason(), SignatureReason::FormatError, "{name}");
        assert!(report.checks[0].detail.contains(why), "{name}: {:?}", report.checks[0].detail);
    }
    let certificates: Vec<Vec<u8>> =
        (0..600u32).map(|number| element(Tag::Sequence, &element(Tag::OctetString, &number.to_be_bytes()))).collect();
    let crowd = cms::Envelope::new(Dialect::Cms, data, None, Digest::Sha256, &certificates, &[]).unwrap().around(&[]);
    let report = judge(&crowd, Given::Nothing);
    assert!(report.checks[0].detail.contains("512 certificates"), "{:?}", report.checks);
    for absurd in ["3084ffffffff", "3088ffffffffffffffff06092a864886f70d010702", "30ff", "3080"] {
        assert_eq!(reason(&hex::decode(absurd).unwrap(), Given::Nothing), SignatureReason::FormatError, "{absurd}");
    }
}

#[test]
fn formats_that_are_not_judged_say_so() {
    for (file, format) in
        [(&b"%PDF-1.7"[..], "pdf"), (b"<?xml version=\"1.0\"?>", "xml"), (b"PK\x03\x04 OFD.xml", "ofd"), (b"hello", "unknown")]
    {
        let report = judge(file, Given::Nothing);
        assert_eq!((report.reason(), report.format), (SignatureReason::UnsupportedFormat, format));
        assert_eq!(report.verdict(), Verdict::Indeterminate);
    }
    // EnvelopedData: a CMS, but nobody has signed it.
    let encrypted = hex::decode("301206092a864886f70d010703a0053003020100").unwrap();
    assert_eq!(reason(&encrypted, Given::Nothing), SignatureReason::UnsupportedFormat);
}

/// Which verdict goes with which sub-indication (ETSI EN 319 102-1 §5.1.3, table 6).
#[test]
fn verdicts_and_sub_indications_go_together() {
    use SignatureReason::*;
    for (reason, verdict, sub_indication) in [
        (SignatureValid, Verdict::Passed, None),
        (TimeStampValid, Verdict::Passed, None),
        (ValidStatusNotProven, Verdict::Passed, None),
        (SignedAfterAskedTime, Verdict::Indeterminate, Some(SubIndication::NoPoe)),
        (FormatError, Verdict::Failed, Some(SubIndication::FormatFailure)),
        (AttributesContradict, Verdict::Failed, Some(SubIndication::FormatFailure)),
        (ContentChanged, Verdict::Failed, Some(SubIndication::HashFailure)),
        (SignatureBroken, Verdict::Failed, Some(SubIndication::SigCryptoFailure)),
        (ContentMissing, Verdict::Indeterminate, Some(SubIndication::SignedDataNotFound)),
        (SignerCertificateMissing, Verdict::Indeterminate, Some(SubIndication::NoSigningCertificateFound)),
        (AlgorithmNotAccepted, Verdict::Indeterminate, Some(SubIndication::CryptoConstraintsFailure)),
        (RevokedNoProofOfTime, Verdict::Indeterminate, Some(SubIndication::RevokedNoPoe)),
        (ExpiredNoProofOfTime, Verdict::Indeterminate, Some(SubIndication::OutOfBoundsNoPoe)),
        (TimeStampFromTheFuture, Verdict::Indeterminate, Some(SubIndication::TimestampOrderFailure)),
        (SignatureReason::Certificate(Reason::Revoked), Verdict::Failed, Some(SubIndication::Revoked)),
        (SignatureReason::Certificate(Reason::NotYetValid), Verdict::Failed, Some(SubIndication::NotYetValid)),
    ] {
        assert_eq!((reason.verdict(), reason.sub_indication()), (verdict, sub_indication), "{reason:?}");
    }
}

/// What of a kind came along, as the judge of certificates sees it: lists, responses, proofs.
fn seen(file: &[u8]) -> Vec<(usize, usize, usize)> {
    let seen = std::cell::RefCell::new(Vec::new());
    let judge = |asked: &Asked<'_>| {
        let evidence = asked.evidence;
        seen.borrow_mut().push((evidence.lists().count(), evidence.responses().count(), evidence.proofs().len()));
        good(asked)
    };
    document::judge(file, Given::Nothing, &[], MOMENT, &judge);
    seen.into_inner()
}

#[test]
fn lists_responses_and_proofs_that_came_along_are_shown_to_the_judge() {
    let data = Dialect::Cms.data();
    for algorithm in families() {
        let (signer, stamper) = (Signer::new(algorithm, 1), Signer::stamper(algorithm));
        let mut attributes = signer.attributes(data, CONTENT);
        attributes.sort();
        let signature = signer.key.sign(&element(Tag::Set, &attributes.concat())).unwrap();
        let make = |unsigned: &[Vec<u8>]| {
            let info = signer.info(Some(&attributes.concat()), &signature, unsigned);
            file(Dialect::Cms, data, Some(CONTENT), &[&signer, &stamper], &[info])
        };
        let (list, basic) = (made::list(&signer, 1), made::basic_response(&signer));
        assert_eq!(seen(&make(&[])), [(0, 0, 0)], "nothing");
        let beside = made::with_revocation(&make(&[]), &[list.clone(), made::response_choice(&basic)]);
        assert_eq!(seen(&beside), [(1, 1, 0)], "beside the certificates");
        let values =
            |list: &[u8], response: &[u8]| cms::attribute(cms::ID_REVOCATION_VALUES, &made::revocation_values(list, response)).unwrap();
        assert_eq!(seen(&make(&[values(&list, &basic)])), [(1, 1, 0)], "in the attribute of the signer");
        assert_eq!(seen(&make(&[values(b"\x30\x00", b"\x30\x00")])), [(0, 0, 0)], "what cannot be read");
        let proofs = cms::text_attribute(cms::ID_LEDGER_PROOFS, "{}").unwrap();
        assert_eq!(seen(&make(&[proofs])), [(0, 0, 1)], "proofs of a ledger");

        // Who stamped is judged as of now and as of then, by what came with the token and what came with the signature.
        let token = stamper.token(MessageImprint::of(algorithm.digest(), &signature), NOW);
        let stamped = |token: &[u8]| {
            let unsigned = cms::attribute(cms::ID_SIGNATURE_TIME_STAMP, token).unwrap();
            made::with_revocation(&make(&[unsigned]), std::slice::from_ref(&list))
        };
        assert_eq!(seen(&stamped(&token)), [(1, 0, 0); 3], "those of the signature");
        let own = made::with_revocation(&token, std::slice::from_ref(&list));
        assert_eq!(seen(&stamped(&own)), [(2, 0, 0), (2, 0, 0), (1, 0, 0)], "and those of the token");

        // Beyond a MiB the rest says nothing.
        let long = made::list(&signer, 20_000);
        assert!(long.len() > 1 << 19, "{}", long.len());
        let much = [vec![long; 3], vec![list]].concat();
        assert_eq!(seen(&made::with_revocation(&make(&[]), &much)), [(2, 0, 0)], "too much");
    }
}
