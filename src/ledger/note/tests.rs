//! Published notes and keys, and every form of signature.

use serde_json::Value;

use super::*;
use crate::{
    crypto::PrivateKey,
    ledger::{merkle::leaf_hash, testing, tree::Tree},
};

const TEST_KEY: &str = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx";

#[test]
fn the_published_cases_are_judged_as_published() {
    let Some(cases) = testing::vector("tlog/checkpoint-cases.json") else { return };
    for case in serde_json::from_slice::<Vec<Value>>(&cases).unwrap() {
        let member = |name| case[name].as_str().unwrap();
        let accepted = judge(member("kind"), member("vkey"), &text::decode(member("note")).unwrap());
        match member("expected") {
            "policy" => {}
            expected => assert_eq!(accepted.is_ok(), expected == "valid", "{}: {accepted:?}", member("id")),
        }
    }
}

/// What a verifier does with a note; the origin must be the key's name.
fn judge(kind: &str, vkey: &str, note: &[u8]) -> Result<(), NoteError> {
    let key = NoteKey::parse_vkey(vkey)?;
    let note = Note::parse(std::str::from_utf8(note).map_err(|_| NoteError::Malformed("not UTF-8"))?)?;
    note.verify(std::slice::from_ref(&key))?;
    if kind == "checkpoint" && Checkpoint::parse(note.text())?.origin != key.name() {
        return Err(NoteError::Checkpoint);
    }
    Ok(())
}

#[test]
fn the_published_checkpoints_come_out_octet_by_octet() {
    // The private key published with the log: the type, then the Ed25519 seed.
    let octets = text::decode("AeymY/SZAX0jZcJ8enZ5FY1Dz+wTML2yWSkK+9DSF3eg").unwrap();
    let private = testing::ed25519(octets.strip_prefix(&[0x01]).unwrap().try_into().unwrap());
    let key = NoteKey::ed25519("example.com/log/testdata", private.public_key()).unwrap();
    assert_eq!(key.vkey(), TEST_KEY);

    let Some(entries) = testing::vector("tlog/testdata-log/tile/entries/000.p/15") else { return };
    let mut tree = Tree::new();
    for (size, entry) in (0..).zip([&[][..]].into_iter().chain(crate::ledger::tiles::decode_bundle(&entries).unwrap())) {
        if size > 0 {
            tree.append(leaf_hash(entry));
        }
        let checkpoint = Checkpoint { origin: key.name().into(), size, root: tree.root() };
        let note = sign(&key, &*private, &checkpoint, 0);
        let published = testing::vector(&format!("tlog/testdata-log/checkpoint.{size}")).unwrap();
        assert_eq!(note.to_string().as_bytes(), published, "{size}");
    }
}

#[test]
fn the_example_of_the_specification_keeps_its_key() {
    let vkey = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    assert_eq!(NoteKey::parse_vkey(vkey).unwrap().vkey(), vkey);
}

#[test]
fn every_form_of_signature_verifies_and_its_key_reads_back() {
    for (key, private) in keys() {
        assert_eq!(NoteKey::parse_vkey(&key.vkey()).unwrap(), key);
        let note = sign(&key, &*private, &checkpoint(), 1_795_000_000);
        let parsed = Note::parse(&note.to_string()).unwrap();
        let expected = if key.is_timed() { Vouched::At(1_795_000_000) } else { Vouched::Untimed };
        assert_eq!(key.verify(&parsed), Ok(Some(expected)), "{}", key.vkey());
    }
}

#[test]
fn a_signature_is_bound_to_text_time_name_and_key() {
    for (key, private) in keys() {
        let note = sign(&key, &*private, &checkpoint(), 1_795_000_000);
        let altered = |from: &str, to: &str| Note::parse(&note.to_string().replacen(from, to, 1)).unwrap();
        for (from, to) in [("15\n", "16\n"), ("log.example", "fog.example"), ("BwcH", "CwcH")] {
            assert_eq!(key.verify(&altered(from, to)), Err(NoteError::BadSignature(key.name().into())), "{}", key.vkey());
        }
        for octet in 0..note.signatures[0].blob.len() {
            let mut note = note.clone();
            note.signatures[0].blob[octet] ^= 1;
            assert!(key.verify(&note).is_err(), "octet {octet} of {}", key.vkey());
        }
        let mut short = note.clone();
        short.signatures[0].blob.pop();
        assert!(key.verify(&short).is_err());

        let mut renamed = note.clone();
        renamed.signatures[0].name.push('x');
        assert_eq!(key.verify(&renamed), Ok(None));
        assert_eq!(renamed.verify(std::slice::from_ref(&key)), Err(NoteError::Unsigned));
    }
}

#[test]
fn one_bad_signature_of_a_known_key_refuses_what_another_vouches_for() {
    let keys = keys();
    let lines: Vec<String> = keys.iter().map(|(key, private)| line(key, &**private, &checkpoint(), 5)).collect();
    let known: Vec<NoteKey> = keys.iter().map(|(key, _)| key.clone()).collect();
    let mut note = Note::assemble(&checkpoint().text(), &lines).unwrap();
    assert_eq!(note.verify(&known).unwrap().len(), 4);
    *note.signatures[2].blob.last_mut().unwrap() ^= 1;
    assert_eq!(note.verify(&known), Err(NoteError::BadSignature(known[2].name().into())));
    assert_eq!(note.verify(&known[..2]).unwrap().len(), 2);
}

#[test]
fn of_several_signatures_of_one_key_all_must_verify_and_the_latest_counts() {
    let (key, private) = &keys()[2];
    let lines = [7, 9, 8].map(|time| line(key, &**private, &checkpoint(), time));
    let mut note = Note::assemble(&checkpoint().text(), &lines).unwrap();
    assert_eq!(key.verify(&note), Ok(Some(Vouched::At(9))));
    note.signatures[0].blob[0] ^= 1;
    assert!(key.verify(&note).is_err());
}

#[test]
fn a_time_beyond_the_range_is_refused() {
    let (key, private) = &keys()[1];
    let note = sign(key, &**private, &checkpoint(), MAX_TIMESTAMP + 1);
    assert_eq!(key.verify(&note), Err(NoteError::BadSignature(key.name().into())));
}

#[test]
fn the_cosigned_message_is_the_structure_of_the_specification() {
    let (key, _) = &keys()[2];
    let message = key.signed_message(&checkpoint(), 1_795_000_000).unwrap();
    let expected = [
        &b"subtree/v1\n\0\x0flog.example/sm2"[..],
        &1_795_000_000_u64.to_be_bytes(),
        b"\x0blog.example",
        &0_u64.to_be_bytes(),
        &15_u64.to_be_bytes(),
        &[7; 32],
    ];
    assert_eq!(message, expected.concat());
}

#[test]
fn broken_keys_are_refused() {
    let [name, key_id, key] = TEST_KEY.splitn(3, '+').collect::<Vec<_>>()[..].try_into().unwrap();
    let cases = [
        String::new(),
        format!("{name}+{key_id}"),
        format!("+{key_id}+{key}"),
        format!("{name}+33d7b497+{key}"),
        format!("{name}+33D7B496+{key}"),
        format!("other+{key_id}+{key}"),
        format!("{name}+{key_id}+{key}="),
        format!("{name}+{key_id}+{}", &key[..40]),
        format!("{name}+{key_id}+{}", key.replacen("Ae", "Be", 1)),
        format!(" {name}+{key_id}+{key}"),
    ];
    for vkey in cases {
        assert!(NoteKey::parse_vkey(&vkey).is_err(), "{vkey}");
    }
    let (_, private) = &keys()[2];
    assert!(NoteKey::ed25519("log.example", private.public_key()).is_err());
    assert_eq!(NoteKey::sm2_subtree(&"x".repeat(256), private.public_key()), Err(NoteError::TooLong));
}

#[test]
fn malformed_notes_are_refused_and_sixteen_signatures_are_not() {
    let line = "\u{2014} n AAAAAAE=\n";
    assert!(Note::parse(&format!("text\n\n{}", line.repeat(16))).is_ok());
    assert!(Note::parse(&format!("two\n\nparts\n\n{line}")).is_ok());
    let cases = [
        "text\n".to_owned(),
        "text\n\n".into(),
        format!("text\n{line}"),
        format!("text\n\n{line}\n"),
        format!("text\n\n{line}x"),
        format!("te\rxt\n\n{line}"),
        format!("text\n\n{}", line.repeat(101)),
        "text\n\n\u{2014} n AAAAAA==\n".into(),
        "text\n\n\u{2014} n+n AAAAAAE=\n".into(),
        "text\n\n\u{2014} n\u{3000}n AAAAAAE=\n".into(),
        "text\n\n\u{2014}  AAAAAAE=\n".into(),
        "text\n\n\u{2014} n AAAAAAE= \n".into(),
        "text\n\n\u{2014} AAAAAAE=\n".into(),
    ];
    for note in cases {
        assert!(matches!(Note::parse(&note), Err(NoteError::Malformed(_))), "{note:?}");
    }
}

fn keys() -> Vec<(NoteKey, Box<dyn PrivateKey>)> {
    let [ed25519, cosigner] = [[1; 32], [2; 32]].map(|seed| testing::ed25519(&seed));
    let [sm2, p256] = [&Sm2 as &dyn Algorithm, &P256].map(testing::generate);
    vec![
        (NoteKey::ed25519("log.example/own", ed25519.public_key()).unwrap(), ed25519),
        (NoteKey::ed25519_cosignature("log.example/witness", cosigner.public_key()).unwrap(), cosigner),
        (NoteKey::sm2_subtree("log.example/sm2", sm2.public_key()).unwrap(), sm2),
        (NoteKey::p256_subtree("log.example/p256", p256.public_key()).unwrap(), p256),
    ]
}

fn checkpoint() -> Checkpoint {
    Checkpoint { origin: "log.example".into(), size: 15, root: [7; 32] }
}

fn line(key: &NoteKey, private: &dyn PrivateKey, checkpoint: &Checkpoint, time: u64) -> String {
    let signature = private.sign(&key.signed_message(checkpoint, time).unwrap()).unwrap();
    key.signature_line(&signature, time).unwrap()
}

fn sign(key: &NoteKey, private: &dyn PrivateKey, checkpoint: &Checkpoint, time: u64) -> Note {
    Note::assemble(&checkpoint.text(), &[line(key, private, checkpoint, time)]).unwrap()
}
