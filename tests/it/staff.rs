//! Staff in bulk: a department's list, one statement over it, a code for each person, and what they come to with it.

use hufu::{cli::Family, services::staff::lines::LARGEST_FILE};
use serde_json::{Value, json};

use crate::{
    departments::done,
    world::{Answer, Ca, Office, Person, TestCa, in_both_families, new_csr, text},
};

in_both_families! {
    a_list_is_approved_by_one_statement_and_each_person_claims,
    a_dry_run_names_every_wrong_line_and_changes_nothing,
    whoever_may_not_hands_in_no_list_and_gets_no_codes,
    a_code_works_once_and_a_newer_one_ends_it,
    what_was_approved_can_be_taken_back_until_it_is_claimed,
    whoever_guesses_codes_waits,
    whoever_comes_back_or_has_another_name_is_enrolled_anew,
    a_file_of_codes_holds_those_that_work,
    a_list_of_the_successor_knows_whoever_came_with_a_merged_department,
    a_number_of_merged_departments_that_does_not_say_whom_it_means_is_a_wrong_line,
}

pub const CSV: &str = "工号,姓名,OU,邮箱\nE-1,王芳,一科,\nE-2,李雷,二科,lilei@mzj.example.cn; ll@mzj.example.cn\nE-3,韩梅,,\n";

pub async fn import(ca: &Ca, by: &Person, department: &str, csv: &str, options: &str) -> Answer {
    let path = format!("/api/v1/enrolments/import?profile=staff&department={department}{options}");
    ca.client(by).send("POST", &path, &[("content-type", "text/csv; charset=utf-8")], csv.into()).await
}

pub async fn in_state(ca: &Ca, office: &Office, state: &str) -> Vec<String> {
    let path = format!("/api/v1/enrolments?state={state}&department={}&limit=1000", office.department);
    let page = ca.client(&office.registration).get(&path).await.ok().json();
    // The officers' own are of the department, too.
    page["items"].as_array().unwrap().iter().filter(|item| item["profile"] == "staff").map(|item| text(item, "id")).collect()
}

pub async fn approve_list(ca: &Ca, by: &Person, ids: &[String]) -> Value {
    let client = ca.client(by);
    let draft = client.post("/api/v1/statements/drafts", &json!({"act": "approve", "list": ids})).await.ok().json();
    let payload = serde_json::from_value(draft["payload"].clone()).unwrap();
    client.post("/api/v1/approvals", &json!({"list": ids, "statement": by.sign(&payload)})).await.ok().json()
}

async fn codes(ca: &Ca, by: &Person, ids: &[String], replace: bool) -> Answer {
    ca.client(by).post("/api/v1/enrolments/codes", &json!({"enrolments": ids, "replace": replace})).await
}

/// Three people, approved.
async fn approved(family: Family) -> (Ca, Office, Vec<String>) {
    let ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    import(&ca, &office.registration, &office.department, CSV, "").await.ok();
    let ids = in_state(&ca, &office, "submitted").await;
    approve_list(&ca, &office.approver, &ids).await;
    (ca, office, ids)
}

async fn claim(ca: &Ca, code: &str, csr: &str) -> Answer {
    ca.anonymous().post("/api/v1/claims", &json!({"code": code, "csr": csr})).await
}

async fn a_list_is_approved_by_one_statement_and_each_person_claims(family: Family) {
    let ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    let first = import(&ca, &office.registration, &office.department, CSV, "").await.ok().json();
    assert_eq!((&first["lines"], &first["enrolled"], &first["unchanged"]), (&json!(3), &json!(3), &json!(0)));
    let again = import(&ca, &office.registration, &office.department, CSV, "").await.ok().json();
    assert_eq!((&again["enrolled"], &again["unchanged"]), (&json!(0), &json!(3)));

    let ids = in_state(&ca, &office, "submitted").await;
    let shown = ca.client(&office.approver).get(&format!("/api/v1/enrolments/{}", ids[0])).await.ok().json();
    assert_eq!((&shown["shown"]["keys"], shown["shown"].to_string().contains("E-1")), (&json!([]), false));
    let settled = approve_list(&ca, &office.approver, &ids).await;
    assert_eq!(settled, json!({"items": 3, "issued": 0, "approved": 3, "waiting": 0, "failed": []}));
    ca.audit_finds_nothing().await;

    let handed_out = codes(&ca, &office.registration, &ids, false).await.ok();
    assert_eq!(handed_out.header("cache-control"), "no-store");
    let handed_out = handed_out.json();
    let people: Vec<(String, String)> =
        handed_out["codes"].as_array().unwrap().iter().map(|one| (text(one, "number"), text(one, "name"))).collect();
    assert_eq!(people, [("E-1", "王芳"), ("E-2", "李雷"), ("E-3", "韩梅")].map(|(number, name)| (number.to_owned(), name.to_owned())));

    let mut persons = Vec::new();
    for one in handed_out["codes"].as_array().unwrap() {
        let person = ca.claim(&text(one, "code"), &text(one, "number"), family).await;
        let certificate = person.identity.certificate();
        assert!(certificate.subject_text().contains(&text(one, "name")) && certificate.subject_text().contains(&person.id));
        // A certificate of staff opens the API for what is about its holder, and carries no role.
        let own = ca.client(&person).get(&format!("/api/v1/certificates?person={}", person.id)).await.ok().json();
        assert_eq!((own["items"].as_array().unwrap().len(), &own["items"][0]["status"]), (1, &json!("valid")));
        persons.push(person);
    }
    assert_eq!(in_state(&ca, &office, "issued").await, ids);
    assert!(persons[1].identity.certificate().der().windows(9).any(|octets| octets == b"ll@mzj.ex"));
    ca.audit_finds_nothing().await;
}

async fn a_dry_run_names_every_wrong_line_and_changes_nothing(family: Family) {
    let ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    let before = (ca.sql().await.snapshot().await, ca.log_sizes());
    let csv = format!("{CSV}E-3,重复,,\nE-4,,,\nE-5,没邮,,x@other.example\n11010519491231002X,号码,,\nE-6,多,,,\nE-7,正好,,\n");
    let report = import(&ca, &office.registration, &office.department, &csv, "&dry_run=true").await.ok().json();
    let found: Vec<(u64, String, String)> = (report["findings"].as_array().unwrap().iter())
        .map(|finding| (finding["line"].as_u64().unwrap(), text(finding, "column"), text(finding, "code")))
        .collect();
    let expected = [
        (5, "number", "repeated"),
        (6, "CN", "missing"),
        (7, "mail", "not-the-departments"),
        (8, "number", "identity-number"),
        (9, "", "wrong-number-of-columns"),
    ];
    assert_eq!(found, expected.map(|(line, column, code)| (line, column.to_owned(), code.to_owned())));
    assert_eq!((&report["lines"], &report["findings_total"]), (&json!(4), &json!(5)));

    let refused = import(&ca, &office.registration, &office.department, &csv, "").await;
    assert_eq!((refused.status, text(&refused.json(), "code")), (422, "lines-refused".to_owned()));
    assert!(text(&refused.json(), "detail").contains("line 5, column number (工号): repeated"));
    assert!(!refused.text().contains("11010519491231002X") && !report.to_string().contains("11010519491231002X"));

    let client = ca.client(&office.registration);
    let path = format!("/api/v1/enrolments/import?profile=staff&department={}", office.department);
    for (headers, body, expected) in [
        (("content-type", "application/json"), Vec::new(), (415, "unsupported-media-type")),
        (("content-type", "text/csv"), vec![b' '; LARGEST_FILE + 1], (413, "body-too-large")),
    ] {
        let refused = client.send("POST", &path, &[headers], body).await;
        assert_eq!((refused.status, text(&refused.json(), "code").as_str()), expected);
    }
    let after = (ca.sql().await.snapshot().await, ca.log_sizes());
    assert_eq!(before.0.changes_to(&after.0), Vec::<String>::new());
    assert_eq!(before.1, after.1);
}

async fn whoever_may_not_hands_in_no_list_and_gets_no_codes(family: Family) {
    let (ca, office, ids) = approved(family).await;
    let elsewhere = ca.department(&office.administrator, "交通局", "jtj.example.cn").await;
    let other = ca.officer(&office.administrator, &elsewhere, &["registration-officer"], family).await;
    for by in [&office.approver, &office.administrator, &other] {
        let refused = import(&ca, by, &office.department, CSV, "&dry_run=true").await;
        assert_eq!((refused.status, text(&refused.json(), "code")), (403, "not-permitted".to_owned()));
        let refused = codes(&ca, by, &ids, false).await;
        assert_eq!((refused.status, text(&refused.json(), "code")), (403, "not-permitted".to_owned()));
    }
    // What needs proof of identity, or is no person's, does not come on a list.
    for profile in ["citizen", "service"] {
        let path = format!("/api/v1/enrolments/import?profile={profile}&department={}", office.department);
        let refused = ca.client(&office.registration).send("POST", &path, &[("content-type", "text/csv")], CSV.into()).await;
        assert!(matches!(refused.status, 400 | 403), "{profile}: {}", refused.text());
    }
    // The same numbers in another department are other people.
    let report = import(&ca, &other, &elsewhere, "number,CN\nE-1,赵\n", "").await.ok().json();
    assert_eq!(report["enrolled"], json!(1));
    ca.audit_finds_nothing().await;
}

async fn a_code_works_once_and_a_newer_one_ends_it(family: Family) {
    let (ca, office, ids) = approved(family).await;
    let first = text(&codes(&ca, &office.registration, &ids[..1], false).await.ok().json()["codes"][0], "code");
    let kept = codes(&ca, &office.registration, &ids[..2], false).await.ok().json();
    assert_eq!((&kept["skipped"], kept["codes"].as_array().unwrap().len()), (&json!([ids[0]]), 1));
    let second = text(&codes(&ca, &office.registration, &ids[..1], true).await.ok().json()["codes"][0], "code");
    let (csr, other) = (new_csr(family), new_csr(family));
    let refused = claim(&ca, &first, &csr).await;
    assert_eq!((refused.status, text(&refused.json(), "code")), (403, "claim-refused".to_owned()));

    let claimed = claim(&ca, &second, &csr).await.ok().json();
    // When the answer was lost, the same key gets it once more, and no other does.
    assert_eq!(text(&claim(&ca, &second, &csr).await.ok().json(), "chain"), text(&claimed, "chain"));
    assert_eq!(claim(&ca, &second, &other).await.status, 403);
    let late = codes(&ca, &office.registration, &ids[..1], true).await;
    assert_eq!((late.status, text(&late.json(), "code")), (409, "wrong-state".to_owned()));
    assert_eq!(ca.sql().await.number("select count(*) from certificate where profile = 'staff'").await, 1);
    ca.audit_finds_nothing().await;

    // Nothing of a request is in the certificate but its key.
    let subject = hufu::x509::Certificate::parse_many(text(&claimed, "chain").as_bytes()).unwrap()[0].subject_text();
    assert!(subject.contains("王芳") && subject.contains("一科") && !subject.contains("E-1"), "{subject}");
}

async fn what_was_approved_can_be_taken_back_until_it_is_claimed(family: Family) {
    let (ca, office, ids) = approved(family).await;
    let handed_out = codes(&ca, &office.registration, &ids, false).await.ok().json();
    let code = |index: usize| text(&handed_out["codes"][index], "code");
    ca.decide(&office.registration, "withdraw", &ids[0], None, None).await.ok();
    ca.decide(&office.approver, "reject", &ids[1], Some("left-before-the-first-day"), None).await.ok();
    for index in [0, 1] {
        assert_eq!(claim(&ca, &code(index), &new_csr(family)).await.status, 403);
    }
    claim(&ca, &code(2), &new_csr(family)).await.ok();
    ca.audit_finds_nothing().await;
    let late = ca.client(&office.approver).post("/api/v1/statements/drafts", &json!({"act": "reject", "about": ids[2]})).await;
    assert_eq!((late.status, text(&late.json(), "code")), (409, "wrong-state".to_owned()));
}

async fn whoever_guesses_codes_waits(family: Family) {
    let (ca, office, ids) = approved(family).await;
    let code = text(&codes(&ca, &office.registration, &ids[..1], false).await.ok().json()["codes"][0], "code");
    let (_, pin) = code.split_once('-').unwrap();
    for guess in 0..10 {
        assert_eq!(claim(&ca, &format!("{guess:032x}-{pin}"), &new_csr(family)).await.status, 403);
    }
    let refused = claim(&ca, &code, &new_csr(family)).await;
    assert_eq!((refused.status, text(&refused.json(), "code")), (429, "too-many-attempts".to_owned()));
}

async fn whoever_comes_back_or_has_another_name_is_enrolled_anew(family: Family) {
    let (ca, office, ids) = approved(family).await;
    let take_part = async |ids: &[String], name: &str| {
        let handed_out = codes(&ca, &office.registration, ids, false).await.ok().json();
        assert_eq!(text(&handed_out["codes"][0], "number"), "E-1");
        ca.claim(&text(&handed_out["codes"][0], "code"), name, family).await
    };
    let first = take_part(&ids[..1], "first").await;
    let renamed = CSV.replace("王芳,一科", "王方,一科");
    let report = async |csv: &str, options: &str| import(&ca, &office.registration, &office.department, csv, options).await.ok().json();

    // As long as the certificate is good, what the list says otherwise is told and not taken.
    let told = report(&renamed, "&dry_run=true&again=true").await;
    assert_eq!((&told["unchanged"], &told["different"], &told["enrolled"]), (&json!(2), &json!(1), &json!(0)));
    assert_eq!(told["differences"], json!([{"line": 2, "column": "CN", "code": "different", "heading": "姓名"}]));
    assert!(!told.to_string().contains("王"));

    ca.revoke(&office.approver, &first.identity.certificate().id().to_string(), "affiliationChanged", None).await;
    let ended = report(&renamed, "").await;
    assert_eq!((&ended["unchanged"], &ended["ended"], &ended["enrolled"]), (&json!(2), &json!(1), &json!(0)));
    let again = report(&renamed, "&again=true").await;
    assert_eq!((&again["unchanged"], &again["ended"], &again["enrolled"]), (&json!(2), &json!(0), &json!(1)));
    assert_eq!(report(&renamed, "&again=true").await["unchanged"], json!(3), "the new request waits");

    let anew = in_state(&ca, &office, "submitted").await;
    approve_list(&ca, &office.approver, &anew).await;
    let second = take_part(&anew, "second").await;
    assert_eq!(second.id, first.id);
    assert!(second.identity.certificate().subject_text().contains("王方"));
    assert_eq!(report(&renamed, "").await["unchanged"], json!(3));
    ca.audit_finds_nothing().await;
}

async fn a_file_of_codes_holds_those_that_work(family: Family) {
    let (ca, office, ids) = approved(family).await;
    let file = ca.scratch().join("codes.csv");
    let hufu = async |arguments: &[&str], out: &std::path::Path| {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_hufu"));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("HUFU_")) {
            command.env_remove(name);
        }
        command.args(["codes", "--json", "--department", &office.department, "--out"]).arg(out).args(arguments);
        command.arg("--identity").arg(&office.registration.files);
        command.args(["--server", &format!("https://127.0.0.1:{}", ca.running().https.port())]);
        command.stdin(std::process::Stdio::null()).output().await.unwrap()
    };
    let told = async |arguments: &[&str], out: &std::path::Path| -> Value {
        let done = hufu(arguments, out).await;
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        serde_json::from_slice(&done.stdout).unwrap()
    };
    let counts = |told: &Value| ["made", "skipped", "elsewhere", "removed"].map(|name| told[name].as_u64().unwrap());
    let kept = || {
        let mut reader = csv::Reader::from_path(&file).unwrap();
        reader.records().map(|record| record.unwrap()).map(|record| (record[0].to_owned(), record[3].to_owned())).collect::<Vec<_>>()
    };
    assert_eq!(counts(&told(&[], &file).await), [3, 0, 0, 0]);
    let handed_out = kept();

    // What cannot be written ends no code.
    let refused = hufu(&["--replace"], &file.join("below-a-file")).await;
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("codes.csv"));
    claim(&ca, &handed_out[0].1, &new_csr(family)).await.ok();

    // One was used, one was replaced by a code in another file, one works still.
    codes(&ca, &office.registration, &ids[1..2], true).await.ok();
    assert_eq!(counts(&told(&[], &file).await), [0, 2, 1, 2]);
    assert_eq!(kept(), handed_out[2..]);
    assert_eq!(counts(&told(&["--replace"], &file).await), [1, 1, 0, 0]);
    let now = kept();
    assert_eq!((now.len(), &now[0], now[1].0.as_str()), (2, &handed_out[2], "E-2"));
    claim(&ca, &now[1].1, &new_csr(family)).await.ok();
    ca.audit_finds_nothing().await;
}

/// Another department with officers of its own.
async fn beside(ca: &Ca, office: &Office, name: &str, domain: &str, family: Family) -> Office {
    let department = ca.department(&office.administrator, name, domain).await;
    let registration = ca.officer(&office.administrator, &department, &["registration-officer"], family).await;
    let approver = ca.officer(&office.administrator, &department, &["approver"], family).await;
    let administrator = ca.officer(&office.administrator, &department, &["administrator"], family).await;
    Office { administrator, department, domain: domain.to_owned(), registration, approver }
}

/// Those of the first office have it done.
async fn merge(ca: &Ca, by: &Office, merged: &Office, into: &Office, family: Family) {
    done(ca, by, family, "POST", &format!("/{}/merger", merged.department), json!({"successor": into.department})).await;
}

fn counted(report: &Value) -> [u64; 4] {
    ["enrolled", "unchanged", "different", "ended"].map(|name| report[name].as_u64().unwrap())
}

async fn a_list_of_the_successor_knows_whoever_came_with_a_merged_department(family: Family) {
    let (ca, office, ids) = approved(family).await;
    let handed_out = codes(&ca, &office.registration, &ids[..1], false).await.ok().json();
    let holder = ca.claim(&text(&handed_out["codes"][0], "code"), "E-1", family).await;
    let person_of = async |by: &Person, id: &str| text(&ca.client(by).get(&format!("/api/v1/enrolments/{id}")).await.ok().json(), "person");
    let earlier = person_of(&office.registration, &ids[1]).await;
    let successor = beside(&ca, &office, "社会局", "shj.example.cn", family).await;
    // Merged twice over: what stands in the end knows all of them.
    let between = beside(&ca, &office, "民政处", "mzc.example.cn", family).await;
    merge(&ca, &office, &office, &between, family).await;
    merge(&ca, &office, &between, &successor, family).await;

    // Who holds a certificate holds it still; what was not claimed ended with the department.
    let import =
        async |csv: &str, options: &str| import(&ca, &successor.registration, &successor.department, csv, options).await.ok().json();
    assert_eq!(counted(&import(CSV, "").await), [0, 1, 0, 2]);
    let more = format!("{CSV}E-9,赵新,,\n");
    assert_eq!(counted(&import(&more, "&again=true").await), [3, 1, 0, 0]);
    assert_eq!(counted(&import(&more, "&again=true").await), [0, 4, 0, 0]);
    assert_eq!(ca.sql().await.number("select count(*) from staff").await, 4);

    let submitted = in_state(&ca, &successor, "submitted").await;
    approve_list(&ca, &successor.approver, &submitted).await;
    let handed_out = codes(&ca, &successor.registration, &submitted, false).await.ok().json();
    let of_number = |number: &str| handed_out["codes"].as_array().unwrap().iter().find(|one| one["number"] == number).unwrap().clone();
    let again = of_number("E-2");
    assert_eq!(person_of(&successor.registration, &text(&again, "enrolment")).await, earlier);
    let person = ca.claim(&text(&again, "code"), "E-2", family).await;
    assert_eq!(person.id, earlier);
    let certificates = format!("/api/v1/certificates?person={earlier}");
    let certificate = ca.client(&person).get(&certificates).await.ok().json()["items"][0].clone();
    assert_eq!(certificate["department"], json!(successor.department));
    // Leavers are found by the same numbers.
    let holdings = format!("/api/v1/staff/holdings?department={}", successor.department);
    let found = ca.client(&successor.approver).send("POST", &holdings, &[("content-type", "text/csv")], CSV.into()).await.ok().json();
    assert_eq!((found["items"].as_array().unwrap().len(), &found["findings_total"]), (3, &json!(0)), "{found}");
    assert_eq!(person_of(&successor.registration, &ids[0]).await, holder.id);
    ca.audit_finds_nothing().await;
}

async fn a_number_of_merged_departments_that_does_not_say_whom_it_means_is_a_wrong_line(family: Family) {
    let ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    let other = beside(&ca, &office, "民政处", "mzc.example.cn", family).await;
    let successor = beside(&ca, &office, "社会局", "shj.example.cn", family).await;
    for (of, csv) in [
        (&office, "number,CN\nE-1,王芳\nE-2,李雷\nE-3,韩梅\n"),
        (&other, "number,CN\nE-1,赵云\nE-2,李雷\n"),
        (&successor, "number,CN\nE-2,钱多\n"),
    ] {
        import(&ca, &of.registration, &of.department, csv, "").await.ok();
    }
    merge(&ca, &office, &office, &successor, family).await;
    merge(&ca, &office, &other, &successor, family).await;
    let import = async |csv: &str, options: &str| import(&ca, &successor.registration, &successor.department, csv, options).await;

    // Two of merged departments have the number; one of them has it under another name. The successor's own number is its own.
    let before = ca.sql().await.snapshot().await;
    let csv = "工号,姓名\nE-1,王芳\nE-2,钱多\nE-3,韩雪\nE-4,新人\n";
    for options in ["&dry_run=true", "&dry_run=true&again=true"] {
        let report = import(csv, options).await.ok().json();
        let found: Vec<[String; 2]> =
            report["findings"].as_array().unwrap().iter().map(|one| ["column", "code"].map(|name| text(one, name))).collect();
        assert_eq!(found, [["number", "ambiguous"], ["CN", "different"]].map(|one| one.map(str::to_owned)), "{report}");
        assert!(report["findings"].as_array().unwrap().iter().all(|one| text(one, "hint").contains("hufu enrol --person")));
        assert_eq!(counted(&report), [1, 1, 0, 0]);
    }
    let refused = import(csv, "&again=true").await;
    assert_eq!((refused.status, text(&refused.json(), "code")), (422, "lines-refused".to_owned()));
    assert_eq!(before.changes_to(&ca.sql().await.snapshot().await), Vec::<String>::new());

    // With the number of one of its own and the name of one who came along a line may mean either, and says so; nobody is enrolled.
    for options in ["&dry_run=true", "&dry_run=true&again=true"] {
        let either = import("工号,姓名\nE-2,李雷\n", options).await.ok().json();
        let finding = &either["findings"][0];
        assert_eq!((text(finding, "column"), text(finding, "code")), ("CN".to_owned(), "different".to_owned()), "{either}");
        let hint = text(finding, "hint");
        assert!(hint.contains("department's own person with this number") && hint.contains("somebody of a merged department"), "{hint}");
        assert_eq!(counted(&either), [0, 0, 0, 0]);
    }

    // Whoever is meant is enrolled by their id; from then on the list knows the name.
    let enrolments = ca.client(&successor.registration).get("/api/v1/enrolments?limit=1000").await.ok().json();
    let mut meant = None;
    for item in enrolments["items"].as_array().unwrap() {
        let shown = ca.client(&successor.registration).get(&format!("/api/v1/enrolments/{}", text(item, "id"))).await.ok().json();
        if shown["shown"]["subject"].to_string().contains("韩梅") {
            meant = Some(text(item, "person"));
        }
    }
    let meant = meant.unwrap();
    let requests = format!("select count(*) from enrolment where person = '{meant}'");
    let mut application = ca.application(&successor, "staff", &[new_csr(family)]);
    application["person"] = json!(meant);
    application["subject"]["CN"] = json!("韩雪");
    ca.client(&successor.registration).post("/api/v1/enrolments", &application).await.ok();
    assert_eq!(ca.sql().await.number(&requests).await, 2);
    let report = import("工号,姓名\nE-2,钱多\nE-3,韩雪\nE-4,新人\n", "").await.ok().json();
    assert_eq!((counted(&report)[0], &report["findings_total"]), (1, &json!(0)), "{report}");
    assert_eq!(ca.sql().await.number(&requests).await, 2);
    ca.audit_finds_nothing().await;
}
