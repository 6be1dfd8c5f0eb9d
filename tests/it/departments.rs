//! Departments lie one in another: who acts where, what may be certified, and how people make, change and merge them.

use hufu::{
    cli::Family,
    policy::{Timestamp, departments::MOST_LEVELS},
};
use serde_json::{Value, json};
use time::Duration;

use crate::{
    access::tokens::token,
    citizens::command_line::Shell,
    renewal::{leaf, member, renew},
    staff::{CSV, approve_list, import, in_state},
    world::{Answer, Ca, Office, Person, TestCa, in_both_families, new_csr, text},
};

in_both_families! {
    whoever_works_for_a_ministry_works_for_its_bureaus_and_neither_conversely_nor_beside,
    names_that_the_one_above_may_not_certify_are_refused_when_they_are_given_and_when_they_are_used,
    no_department_is_called_as_one_beside_it_nor_certifies_what_that_is_called,
    a_merger_out_of_the_department_above_says_what_to_do_first,
    a_merger_passes_everything_to_the_successor,
    whoever_was_proposed_in_a_department_ends_with_it,
    whoever_held_a_certificate_of_a_merged_department_renews_it_in_the_successor,
    a_renamed_department_says_its_new_name_in_new_certificates_alone,
    a_change_takes_two_people_and_making_a_department_one_from_above,
    a_change_is_done_as_it_was_shown_or_not_at_all,
    a_proposed_change_is_taken_back_by_whoever_may_propose_it_and_nobody_signs_it_afterwards,
    departments_never_lie_in_themselves_nor_too_deep,
    departments_are_made_changed_and_merged_by_commands,
    a_command_shows_what_becomes_of_departments_and_asks,
    where_the_only_approver_is_gone_another_is_appointed_and_decides_what_waits,
}

const DEPARTMENTS: &str = "/api/v1/departments";

/// Proposes; whatever refuses is the answer.
pub async fn propose(ca: &Ca, by: &Person, method: &str, path: &str, body: &Value) -> Answer {
    let path = format!("{DEPARTMENTS}{path}");
    ca.client(by).send(method, &path, &[("content-type", "application/json")], body.to_string().into_bytes()).await
}

/// Asks for a draft and hands its statement in; what refuses either is the answer.
pub async fn sign(ca: &Ca, by: &Person, act: &str, about: &str) -> Answer {
    let draft = ca.client(by).post("/api/v1/statements/drafts", &json!({"act": act, "about": about})).await;
    if draft.status != 200 {
        return draft;
    }
    let payload = serde_json::from_value(draft.json()["payload"].clone()).unwrap();
    ca.hand_in(by, act, about, &by.sign(&payload)).await
}

/// Each signs; the last answer.
pub async fn signed_by(ca: &Ca, change: &Value, people: &[&Person]) -> Answer {
    let mut last = None;
    for person in people {
        last = Some(sign(ca, person, &text(change, "act"), &text(change, "id")).await);
    }
    last.unwrap()
}

/// What an administrator and the auditor have done.
pub async fn done(ca: &Ca, office: &Office, family: Family, method: &str, path: &str, body: Value) -> Value {
    let change = propose(ca, &office.administrator, method, path, &body).await.ok().json();
    let answer = signed_by(ca, &change, &[&office.administrator, ca.auditor(family).await]).await.ok();
    assert_eq!((answer.status, &answer.json()["state"]), (200, &json!("done")), "{}", answer.text());
    answer.json()
}

pub fn named(parent: Option<&str>, organizations: &[&str], domain: &str) -> Value {
    let domains: Vec<&str> = Some(domain).into_iter().filter(|domain| !domain.is_empty()).collect();
    json!({"name": format!("处{domain}"), "parent": parent, "organizations": organizations, "dns": domains, "mail": domains})
}

/// A bureau in a department, with an administrator of its own and its two officers.
pub async fn bureau(ca: &Ca, ministry: &Office, label: &str, family: Family) -> Office {
    let domain = format!("{label}.{}", ministry.domain);
    let change = propose(ca, &ministry.administrator, "POST", "", &named(Some(&ministry.department), &["民政局"], &domain)).await.ok();
    let department =
        text(&sign(ca, &ministry.administrator, "define-department", &text(&change.json(), "id")).await.ok().json(), "department");
    let officer = async |role: &str| ca.officer(&ministry.administrator, &department, &[role], family).await;
    let (administrator, registration, approver) =
        (officer("administrator").await, officer("registration-officer").await, officer("approver").await);
    Office { administrator, department: department.clone(), domain, registration, approver }
}

fn refused(answer: &Answer) -> (u16, String) {
    (answer.status, text(&answer.json(), "code"))
}

fn not_permitted() -> (u16, String) {
    (403, "not-permitted".to_owned())
}

/// The ids of a list.
async fn listed(ca: &Ca, by: &Person, path: &str) -> Vec<String> {
    let items = ca.client(by).get(path).await.ok().json()["items"].clone();
    items.as_array().unwrap().iter().map(|item| text(item, "id")).collect()
}

async fn whoever_works_for_a_ministry_works_for_its_bureaus_and_neither_conversely_nor_beside(family: Family) {
    let ca = TestCa::new().start().await;
    let ministry = ca.office(family).await;
    let (one, two) = (bureau(&ca, &ministry, "one", family).await, bureau(&ca, &ministry, "two", family).await);

    // The ministry's officers enrol and approve in the bureau.
    let application = ca.application(&one, "staff", &[new_csr(family)]);
    let enrolments = "/api/v1/enrolments";
    let enrolment = text(&ca.client(&ministry.registration).post(enrolments, &application).await.ok().json(), "id");
    for other in [&two.registration, &two.approver] {
        assert_eq!(refused(&ca.client(other).post(enrolments, &application).await), not_permitted());
    }
    assert_eq!(refused(&sign(&ca, &two.approver, "approve", &enrolment).await), not_permitted());
    ca.decide(&ministry.approver, "approve", &enrolment, None, None).await.ok();

    // The bureau's officers do not in the ministry, nor in the bureau beside.
    let own = ca.application(&ministry, "staff", &[new_csr(family)]);
    assert_eq!(refused(&ca.client(&one.registration).post(enrolments, &own).await), not_permitted());
    let (above, below) = (ca.issue(&ministry, "staff", family).await, ca.issue(&one, "staff", family).await);
    for (who, id) in [(&one.approver, &above.id), (&two.approver, &below.id), (&two.approver, &above.id)] {
        assert_eq!(refused(&sign(&ca, who, "suspend", id).await), not_permitted());
    }
    ca.decide(&ministry.approver, "suspend", &below.id, None, None).await.ok();

    // So it is with reading, and lists of the ministry have what is the bureau's.
    for (who, own, others) in [
        (&ministry, vec![&above.id, &below.id], vec![]),
        (&one, vec![&below.id], vec![&above.id]),
        (&two, vec![], vec![&above.id, &below.id]),
    ] {
        let found = listed(&ca, &who.registration, "/api/v1/certificates?limit=1000").await;
        assert!(own.iter().all(|id| found.contains(id)) && others.iter().all(|id| !found.contains(id)));
        for id in others {
            assert_eq!(refused(&ca.client(&who.registration).get(&format!("/api/v1/certificates/{id}")).await), not_permitted());
        }
    }
    assert!(listed(&ca, &ministry.registration, "/api/v1/enrolments?limit=1000").await.contains(&enrolment));
    assert!(!listed(&ca, &two.registration, "/api/v1/enrolments?limit=1000").await.contains(&enrolment));
    let of_the_ministry = format!("/api/v1/certificates?department={}", ministry.department);
    assert_eq!(refused(&ca.client(&one.registration).get(&of_the_ministry).await), not_permitted());

    // And with appointing.
    let own = ca.officer(&ministry.administrator, &ministry.department, &["administrator"], family).await;
    ca.officer(&own, &one.department, &["approver"], family).await;
    let officer = json!({"name": "新官", "department": ministry.department, "roles": ["approver"]});
    assert_eq!(refused(&ca.client(&one.administrator).post("/api/v1/officers", &officer).await), not_permitted());

    // And with services.
    let scopes = ["certificates:read", "departments:read"];
    let of =
        async |department: &String| ca.anonymous().with_bearer(&token(&ca, &ministry.administrator, Some(department), &scopes).await.1);
    let (wide, narrow) = (of(&ministry.department).await, of(&one.department).await);
    wide.get(&format!("/api/v1/certificates/{}", below.id)).await.ok();
    assert_eq!(refused(&narrow.get(&format!("/api/v1/certificates/{}", above.id)).await), not_permitted());
    assert_eq!(wide.get(DEPARTMENTS).await.ok().json()["items"].as_array().unwrap().len(), 3);
    assert_eq!(narrow.get(DEPARTMENTS).await.ok().json()["items"].as_array().unwrap().len(), 1);
    ca.audit_finds_nothing().await;
}

async fn names_that_the_one_above_may_not_certify_are_refused_when_they_are_given_and_when_they_are_used(family: Family) {
    let ca = TestCa::new().start().await;
    let ministry = ca.office(family).await;
    let one = bureau(&ca, &ministry, "one", family).await;
    let (top, office) = (Some(ministry.department.as_str()), Some(one.department.as_str()));
    let conflict = (409, "departments-refused".to_owned());
    for (parent, organizations, domain, allowed) in [
        (top, &["民政局"][..], "three.mzj.example.cn", true),
        (top, &["公安局"], "three.mzj.example.cn", false),
        (top, &["民政局"], "example.cn", false),
        (top, &["民政局"], "evilmzj.example.cn", false),
        (office, &["民政局"], "a.one.mzj.example.cn", true),
        (office, &["民政局"], "mzj.example.cn", false),
        (None, &["民政局"], "other.cn", false),
        (None, &["公安局"], "one.mzj.example.cn", false),
        (None, &["公安局"], "gaj.example.cn", true),
    ] {
        let before = ca.sql().await.number("select count(*) from department_change").await;
        let answer = propose(&ca, &ministry.administrator, "POST", "", &named(parent, organizations, domain)).await;
        assert_eq!(answer.status == 201, allowed, "{organizations:?} {domain}: {}", answer.text());
        if !allowed {
            assert_eq!(refused(&answer), conflict);
            assert_eq!(ca.sql().await.number("select count(*) from department_change").await, before);
        }
    }
    for domain in ["*.mzj.example.cn", ".mzj.example.cn", "民政.example.cn", "192.0.2.1"] {
        let answer = propose(&ca, &ministry.administrator, "POST", "", &named(None, &["公安局"], domain)).await;
        assert_eq!(refused(&answer), (400, "malformed-request".to_owned()), "{domain}");
    }
    // Nor is a name taken from the one above while one below has it.
    for less in [json!({"organizations": ["民政厅"]}), json!({"dns": []}), json!({"mail": ["other.example.cn"]})] {
        let path = format!("/{}", ministry.department);
        assert_eq!(refused(&propose(&ca, &ministry.administrator, "PATCH", &path, &less).await), conflict, "{less}");
    }
    ca.audit_finds_nothing().await;

    // Whoever wrote a name for the bureau past all that has gained nothing: it is looked at on the whole path at each issue.
    let mut application = ca.application(&one, "service", &[new_csr(family)]);
    application["alternative_names"]["dns"] = json!(["www.bank.example"]);
    application["subject"]["CN"] = json!("www.bank.example");
    let insert = |department: &str| format!("insert into department_namespace values ('dns', 'bank.example', '{department}')");
    let enrol = async || ca.client(&one.registration).post("/api/v1/enrolments", &application).await;
    ca.sql().await.run(&insert(&one.department)).await;
    assert_eq!(refused(&enrol().await), (422, "field-refused".to_owned()));
    ca.sql().await.run(&insert(&ministry.department)).await;
    let enrolment = text(&enrol().await.ok().json(), "id");
    ca.sql()
        .await
        .run(&format!("delete from department_namespace where value = 'bank.example' and department = '{}'", ministry.department))
        .await;
    assert_eq!(refused(&sign(&ca, &one.approver, "approve", &enrolment).await), (422, "field-refused".to_owned()));
    // Whoever is to decide still sees what it is, and that no subject comes of it.
    let shown = ca.client(&one.approver).get(&format!("/api/v1/enrolments/{enrolment}")).await.ok().json();
    assert_eq!(shown["shown"]["subject"], Value::Null);
    ca.decide(&one.approver, "reject", &enrolment, Some("other"), None).await.ok();
}

async fn no_department_is_called_as_one_beside_it_nor_certifies_what_that_is_called(family: Family) {
    let ca = TestCa::new().start().await;
    let ministry = ca.office(family).await;
    let (administrator, auditor) = (&ministry.administrator, ca.auditor(family).await);
    let path = |id: &str| format!("/{id}");
    done(&ca, &ministry, family, "PATCH", &path(&ministry.department), json!({"organizations": ["民政局", "水务处", "市监处"]})).await;
    let called = |name: &str, organization: &str| json!({"name": name, "parent": ministry.department, "organizations": [organization]});
    let make = async |body: Value| {
        let made = propose(&ca, administrator, "POST", "", &body).await.ok().json();
        text(&signed_by(&ca, &made, &[administrator]).await.ok().json(), "department")
    };
    let (water, market) = (make(called("水务处", "水务处")).await, make(called("市监处", "市监处")).await);
    let one = make(called("一科", "民政局")).await;
    let conflict = (409, "departments-refused".to_owned());
    for (method, path, body) in [
        ("POST", String::new(), called("水务处", "民政局")),
        ("POST", String::new(), called("水\u{200b}务处", "民政局")),
        ("POST", String::new(), called("新处", "水务处")),
        ("PATCH", path(&market), json!({"name": "水务处"})),
        ("PATCH", path(&market), json!({"name": "水务处", "organizations": ["水务处"]})),
        ("PATCH", path(&market), json!({"organizations": ["市监处", "水务处"]})),
        ("PATCH", path(&one), json!({"organizations": ["水务处"]})),
    ] {
        let answer = propose(&ca, administrator, method, &path, &body).await;
        assert_eq!(refused(&answer), conflict, "{body}");
        assert!(text(&answer.json(), "detail").contains("(hufu department "), "{}", answer.text());
    }
    // What is proposed while it can be done, and cannot any more when it is signed, is refused then.
    let late = propose(&ca, administrator, "POST", "", &called("新处", "民政局")).await.ok().json();
    let renamed = propose(&ca, administrator, "PATCH", &path(&one), &json!({"name": "新处"})).await.ok().json();
    signed_by(&ca, &renamed, &[administrator, auditor]).await.ok();
    assert_eq!(refused(&signed_by(&ca, &late, &[administrator]).await), conflict);

    // One of them merged, its names are the successor's, and what it was called is free.
    done(&ca, &ministry, family, "POST", &format!("/{market}/merger"), json!({"successor": water})).await;
    make(called("市监处", "民政局")).await;
    // What the one above is called may be had by any number in it, and by none that leaves it.
    let out = json!({"parent": null});
    assert_eq!(refused(&propose(&ca, administrator, "PATCH", &path(&one), &out).await), conflict);
    // Whoever leaves takes what they are called along.
    done(&ca, &ministry, family, "PATCH", &path(&water), json!({"parent": null, "organizations": ["水务处"]})).await;
    let left = ca.client(administrator).get(&format!("{DEPARTMENTS}/{}", ministry.department)).await.ok().json();
    assert_eq!(left["organizations"], json!(["市监处", "民政局"]));
    ca.audit_finds_nothing().await;
}

async fn a_merger_out_of_the_department_above_says_what_to_do_first(family: Family) {
    let ca = TestCa::new().start().await;
    let ministry = ca.office(family).await;
    let administrator = &ministry.administrator;
    let one = bureau(&ca, &ministry, "one", family).await.department;
    let other = ca.department(administrator, "社会局", "shj.example.cn").await;
    let shell = Shell::new(&ca);
    let by = |person: &Person| format!("--yes --identity {}", person.files.display());
    let run = async |line: String| {
        let change = shell.ok(&format!("{line} {}", by(administrator))).await;
        shell.ok(&format!("department sign {} {}", text(&change, "id"), by(ca.auditor(family).await))).await
    };
    let merge = format!("department merge {one} --into {other}");
    let told = shell.run(&format!("{merge} {}", by(administrator))).await.unwrap_err();
    let (_, advice) = told.split_once("(hufu ").unwrap_or_else(|| panic!("{told}"));
    let (advice, _) = advice.split_once(')').unwrap();
    assert_eq!(advice, format!("department move {one} --under {other} --organization VALUE --without-organization 民政局"));
    run(format!("{} --without-dns one.mzj.example.cn --without-mail one.mzj.example.cn", advice.replace("VALUE", "社会局"))).await;
    assert_eq!(text(&run(merge).await, "state"), "done");
    let merged = ca.client(administrator).get(&format!("{DEPARTMENTS}/{one}")).await.ok().json();
    assert_eq!(merged["successor"], json!(other));
    ca.audit_finds_nothing().await;
}

async fn a_merger_passes_everything_to_the_successor(family: Family) {
    let ca = TestCa::new().start().await;
    let old = ca.office(family).await;
    let (administrator, department) = (&old.administrator, old.department.clone());
    let child = bureau(&ca, &old, "one", family).await;
    let successor = ca.department(administrator, "社会局", "shj.example.cn").await;
    let registration = ca.officer(administrator, &successor, &["registration-officer"], family).await;
    let approver = ca.officer(administrator, &successor, &["approver"], family).await;
    // The successor's own people have numbers of their own.
    let staff = "工号,姓名,OU,邮箱\nE-1,王大,一科,\nE-9,李大,,\n";
    import(&ca, &registration, &successor, staff, "").await.ok();
    let holder = ca.issue(&old, "staff", family).await;
    let open = ca.enrol(&old, "staff", family).await.enrolment;
    import(&ca, &old.registration, &department, CSV, "").await.ok();
    let submitted = in_state(&ca, &old, "submitted").await;
    let approved: Vec<String> = submitted.into_iter().filter(|id| *id != open).collect();
    approve_list(&ca, &old.approver, &approved).await;
    let local = ca.officer(administrator, &department, &["administrator"], family).await;

    let merger = json!({"successor": successor});
    let path = format!("/{department}/merger");
    for who in [&local, &approver, ca.auditor(family).await] {
        assert_eq!(refused(&propose(&ca, who, "POST", &path, &merger).await), not_permitted());
    }
    let change = propose(&ca, administrator, "POST", &path, &merger).await.ok().json();
    let alone = signed_by(&ca, &change, &[administrator, administrator]).await;
    assert_eq!((alone.status, &alone.json()["missing"]["people"]), (202, &json!(1)), "one who signs twice is one");
    ca.audit_finds_nothing().await;
    assert_eq!(signed_by(&ca, &change, &[ca.auditor(family).await]).await.status, 200);
    ca.audit_finds_nothing().await;

    // Names and the departments below are the successor's.
    let read = async |id: &str| ca.client(administrator).get(&format!("{DEPARTMENTS}/{id}")).await.ok().json();
    let (gone, now) = (read(&department).await, read(&successor).await);
    assert_eq!((&gone["successor"], &gone["dns"], &gone["organizations"]), (&json!(successor), &json!([]), &json!([])));
    assert_eq!((&now["organizations"], &now["dns"]), (&json!(["民政局", "社会局"]), &json!(["mzj.example.cn", "shj.example.cn"])));
    assert_eq!(read(&child.department).await["parent"], json!(successor));

    // Whoever worked there does so no more, and nothing is asked of it.
    let merged = (409, "department-merged".to_owned());
    let application = ca.application(&old, "staff", &[new_csr(family)]);
    let enrolments = "/api/v1/enrolments";
    assert_eq!(refused(&sign(&ca, &old.approver, "suspend", &holder.id).await), not_permitted());
    assert_eq!(refused(&ca.client(&old.registration).get(&format!("{enrolments}/{open}")).await), not_permitted());
    for who in [&old.registration, &registration] {
        assert_eq!(refused(&ca.client(who).post(enrolments, &application).await), merged);
    }
    assert_eq!(refused(&import(&ca, &registration, &department, CSV, "").await), merged);
    let officer = json!({"name": "新官", "department": department, "roles": ["approver"]});
    assert_eq!(refused(&ca.client(administrator).post("/api/v1/officers", &officer).await), merged);
    assert_eq!(refused(&propose(&ca, administrator, "PATCH", &format!("/{department}"), &json!({"name": "局"})).await), merged);
    assert_eq!(refused(&propose(&ca, administrator, "POST", &path, &merger).await), merged);
    assert_eq!(refused(&propose(&ca, administrator, "POST", "", &named(Some(&department), &["民政局"], "")).await), merged);
    for id in approved.iter().chain([&open]) {
        let request = ca.client(&registration).get(&format!("{enrolments}/{id}")).await.ok().json();
        assert_eq!(text(&request, "state"), "expired");
    }
    assert_eq!(refused(&sign(&ca, &approver, "approve", &open).await), (409, "wrong-state".to_owned()));
    assert_eq!(refused(&sign(&ca, administrator, "grant", &old.approver.id).await), merged);

    // What was issued is good, is found by whoever works for the successor, and ended by them.
    let certificate = format!("/api/v1/certificates/{}", holder.id);
    assert_eq!(text(&ca.client(&approver).get(&certificate).await.ok().json(), "status"), "valid");
    for path in ["/api/v1/certificates?limit=1000".to_owned(), format!("/api/v1/certificates?limit=1000&department={department}")] {
        assert!(listed(&ca, &registration, &path).await.contains(&holder.id), "{path}");
    }
    for (id, ambiguous) in [(&department, 0), (&successor, 1)] {
        let holdings = format!("/api/v1/staff/holdings?department={id}");
        let found = ca.client(&approver).send("POST", &holdings, &[("content-type", "text/csv")], CSV.into()).await.ok().json();
        let counts = (&found["lines"], &found["without"], &found["findings_total"]);
        assert_eq!(counts, (&json!(3), &json!(3 - ambiguous), &json!(ambiguous)), "{found}");
    }
    // Where a number is of both nobody guesses.
    let holdings = format!("/api/v1/staff/holdings?department={successor}");
    let found = ca.client(&approver).send("POST", &holdings, &[("content-type", "text/csv")], staff.into()).await.ok().json();
    assert_eq!(found["items"].as_array().unwrap().len(), 1, "{found}");
    assert_eq!((&found["findings"][0]["line"], &found["findings"][0]["code"]), (&json!(2), &json!("ambiguous")), "{found}");
    // Somebody new works for the successor by its own name, whatever others it may certify now.
    import(&ca, &registration, &successor, "number,CN\n99,新人\n", "").await.ok();
    let waiting = listed(&ca, &registration, &format!("{enrolments}?department={successor}&state=submitted")).await;
    let last = ca.client(&registration).get(&format!("{enrolments}/{}", waiting.last().unwrap())).await.ok().json();
    let subject = text(&last["shown"], "subject");
    assert!(subject.contains("O=社会局, CN=新人"), "{subject}");
    // Another certificate for somebody who came along is the successor's.
    let mut second = ca.application(&old, "staff", &[new_csr(family)]);
    second["department"] = json!(successor);
    second["person"] = holder.view["person"].clone();
    let second = text(&ca.client(&registration).post(enrolments, &second).await.ok().json(), "id");
    let issued = ca.decide(&approver, "approve", &second, None, None).await.ok().json();
    assert_eq!(
        (&issued["certificates"][0]["department"], &issued["certificates"][0]["person"]),
        (&json!(successor), &holder.view["person"])
    );
    ca.revoke(&approver, &holder.id, "affiliationChanged", None).await;
    let below = ca.issue(&child, "staff", family).await;
    ca.decide(&approver, "suspend", &below.id, None, None).await.ok();
    ca.audit_finds_nothing().await;
}

async fn whoever_was_proposed_in_a_department_ends_with_it(family: Family) {
    let ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    let (administrator, auditor) = (&office.administrator, ca.auditor(family).await);
    let successor = ca.department(administrator, "社会局", "shj.example.cn").await;
    let propose_officer = async |name: &str, department: &str| {
        let body = json!({"name": name, "department": department, "roles": ["approver", "registration-officer"]});
        text(&ca.client(administrator).post("/api/v1/officers", &body).await.ok().json(), "id")
    };
    let (signed, unsigned) = (propose_officer("甲", &office.department).await, propose_officer("乙", &office.department).await);
    let elsewhere = propose_officer("丙", &successor).await;
    for id in [&signed, &elsewhere] {
        assert_eq!(ca.decide(administrator, "grant", id, None, None).await.status, 202);
    }
    // The second has signed before the merger, and hands it in afterwards.
    let late = auditor.sign(&ca.draft(auditor, "grant", &signed, None, None).await);
    let merger = json!({"successor": successor});
    let change = propose(&ca, administrator, "POST", &format!("/{}/merger", office.department), &merger).await.ok().json();
    let preview = ca.client(auditor).get(&format!("/api/v1/department-changes/{}", text(&change, "id"))).await.ok().json();
    let mut expected =
        [&signed, &unsigned].map(|id| ["approver", "registration-officer"].map(|role| json!({"person": id, "role": role}))).concat();
    let mut proposed = preview["ends"]["proposed"].as_array().unwrap().clone();
    expected.sort_by_cached_key(Value::to_string);
    proposed.sort_by_cached_key(Value::to_string);
    assert_eq!(proposed, expected);
    // So does the command name them.
    let told = Shell::new(&ca)
        .run(&format!("department sign {} --identity {}", text(&change, "id"), administrator.files.display()))
        .await
        .unwrap_err();
    assert!(told.contains(&format!("ends: proposed role approver of {signed}  甲")), "{told}");

    signed_by(&ca, &change, &[administrator, auditor]).await.ok();
    let merged = (409, "department-merged".to_owned());
    assert_eq!(refused(&ca.hand_in(auditor, "grant", &signed, &late).await), merged);
    for id in [&signed, &unsigned] {
        for (by, act) in [(auditor, "grant"), (administrator, "grant"), (administrator, "dismiss")] {
            assert_eq!(refused(&sign(&ca, by, act, id).await), merged);
        }
        let names = format!("select count(*) from person where id = '{id}' and sealed_profile is not null");
        assert_eq!(ca.sql().await.number(&names).await, 0);
    }
    let officers = listed(&ca, administrator, "/api/v1/officers?limit=1000").await;
    assert!(!officers.contains(&signed) && !officers.contains(&unsigned) && officers.contains(&elsewhere));
    ca.decide(auditor, "grant", &elsewhere, None, None).await.ok();
    ca.audit_finds_nothing().await;
}

async fn whoever_held_a_certificate_of_a_merged_department_renews_it_in_the_successor(family: Family) {
    let ca = TestCa::new().at("2030-01-01T00:00:00Z").start().await;
    let office = ca.office(family).await;
    let (person, holder) = member(&ca, &office, family).await;
    let successor = ca.department(&office.administrator, "社会局", "shj.example.cn").await;
    ca.clock.forward(Duration::days(340));
    done(&ca, &office, family, "POST", &format!("/{}/merger", office.department), json!({"successor": successor})).await;
    let renewed = renew(&ca, &person, &holder.id, &new_csr(family)).await.ok().json();
    let row = ca.client(&office.administrator).get(&format!("/api/v1/certificates/{}", leaf(&renewed).id())).await.ok().json();
    assert_eq!((&row["department"], &row["person"]), (&json!(successor), &holder.view["person"]));
    ca.audit_finds_nothing().await;
}

async fn a_renamed_department_says_its_new_name_in_new_certificates_alone(family: Family) {
    let ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    let before = ca.issue(&office, "staff", family).await;
    let path = format!("/{}", office.department);
    let change = done(&ca, &office, family, "PATCH", &path, json!({"name": "民政厅", "organizations": ["民政厅"]})).await;
    let step = &change["departments"][0];
    assert_eq!((&step["before"]["name"], &step["after"]["name"]), (&json!("民政局"), &json!("民政厅")));

    let after = ca.issue(&office, "staff", family).await;
    assert!(before.certificate.subject_text().contains("民政局") && after.certificate.subject_text().contains("民政厅"));
    let status = ca.client(&office.approver).get(&format!("/api/v1/certificates/{}", before.id)).await.ok().json();
    assert_eq!((text(&status, "status"), text(&status, "department")), ("valid".to_owned(), office.department.clone()));
    // Its old name is free.
    ca.department(&office.administrator, "民政局", "new.example.cn").await;
    ca.audit_finds_nothing().await;
}

async fn a_change_takes_two_people_and_making_a_department_one_from_above(family: Family) {
    let ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    let (administrator, auditor) = (&office.administrator, ca.auditor(family).await);
    let own = ca.officer(administrator, &office.department, &["administrator"], family).await;
    let below = named(Some(&office.department), &["民政局"], "one.mzj.example.cn");

    // One person from above makes a department: an administrator of the one above it.
    for who in [&office.approver, auditor] {
        assert_eq!(refused(&propose(&ca, who, "POST", "", &below).await), not_permitted());
    }
    assert_eq!(refused(&propose(&ca, &own, "POST", "", &named(None, &["公安局"], "")).await), not_permitted());
    let made = propose(&ca, &own, "POST", "", &below).await.ok().json();
    assert_eq!(refused(&ca.client(&own).get(&format!("{DEPARTMENTS}/{}", text(&made, "id"))).await), (404, "unknown-record".to_owned()));
    assert_eq!(refused(&sign(&ca, auditor, "define-department", &text(&made, "id")).await), not_permitted());
    assert_eq!(refused(&sign(&ca, &own, "change-department", &text(&made, "id")).await), (400, "malformed-request".to_owned()));
    assert_eq!(signed_by(&ca, &made, &[&own]).await.status, 200);
    assert_eq!(refused(&signed_by(&ca, &made, &[&own]).await), (409, "wrong-state".to_owned()));

    // Its own administrator changes nothing about a department; those above do, and take a second person.
    let rename = json!({"name": "社会处"});
    let path = format!("/{}", office.department);
    assert_eq!(refused(&propose(&ca, &own, "PATCH", &path, &rename).await), not_permitted());
    let bureau = format!("/{}", text(&made, "department"));
    let change = propose(&ca, &own, "PATCH", &bureau, &rename).await.ok().json();
    for _ in 0..2 {
        let alone = signed_by(&ca, &change, &[&own]).await;
        assert_eq!((alone.status, &alone.json()["missing"]["people"]), (202, &json!(1)));
    }
    let waiting = ca.client(&own).get(&format!("/api/v1/department-changes/{}", text(&change, "id"))).await.ok().json();
    assert_eq!((&waiting["state"], &waiting["departments"]), (&json!("proposed"), &change["departments"]));
    ca.audit_finds_nothing().await;
    assert_eq!(signed_by(&ca, &change, &[auditor]).await.status, 200);
    assert_eq!(text(&ca.client(&own).get(&format!("{DEPARTMENTS}{bureau}")).await.ok().json(), "name"), "社会处");

    // Moving it takes whoever administers both places.
    let other = ca.department(administrator, "社会局", "shj.example.cn").await;
    let moved = json!({"parent": other, "organizations": ["社会局"], "dns": ["one.shj.example.cn"], "mail": []});
    assert_eq!(refused(&propose(&ca, &own, "PATCH", &bureau, &moved).await), not_permitted());
    done(&ca, &office, family, "PATCH", &bureau, moved).await;
    assert_eq!(ca.client(&own).get(&format!("{DEPARTMENTS}{bureau}")).await.ok().json()["parent"], json!(other));
    done(&ca, &office, family, "PATCH", &bureau, json!({"parent": null, "organizations": ["处"], "dns": []})).await;
    assert_eq!(ca.client(&own).get(&format!("{DEPARTMENTS}{bureau}")).await.ok().json()["parent"], Value::Null);
    let changes = listed(&ca, &own, &format!("/api/v1/department-changes?department={}", text(&made, "department"))).await;
    assert_eq!(changes.len(), 4);
    ca.audit_finds_nothing().await;
}

async fn a_change_is_done_as_it_was_shown_or_not_at_all(family: Family) {
    let ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    let (administrator, auditor) = (&office.administrator, ca.auditor(family).await);
    let path = format!("/{}", office.department);
    let first = propose(&ca, administrator, "PATCH", &path, &json!({"name": "一"})).await.ok().json();
    let second = propose(&ca, administrator, "PATCH", &path, &json!({"dns": ["mzj.example.cn", "two.example.cn"]})).await.ok().json();
    assert_eq!(signed_by(&ca, &first, &[administrator]).await.status, 202);
    assert_eq!(signed_by(&ca, &second, &[administrator, auditor]).await.status, 200);
    // The first was proposed of another department than it is now.
    let before = ca.sql().await.snapshot().await;
    assert_eq!(refused(&signed_by(&ca, &first, &[auditor]).await), (409, "seen-stale".to_owned()));
    let changed = before.changes_to(&ca.sql().await.snapshot().await);
    assert!(changed.iter().all(|change| change.contains("nonce")), "{changed:?}");
    // A name that was free when it was proposed may have been given to another since.
    let late = propose(&ca, administrator, "POST", "", &named(None, &["公安局"], "gaj.example.cn")).await.ok().json();
    ca.department(administrator, "公安局", "police.example.cn").await;
    assert_eq!(refused(&signed_by(&ca, &late, &[administrator]).await), (409, "departments-refused".to_owned()));
    assert_eq!(refused(&propose(&ca, administrator, "PATCH", &path, &json!({})).await), (409, "departments-refused".to_owned()));

    // The same request again gets its first answer; the same body about another department is another request.
    let other = ca.department(administrator, "水务局", "swj.example.cn").await;
    let headers = [("content-type", "application/json"), ("idempotency-key", "once")];
    let rename = async |id: &str| {
        let body = json!({"name": "二"}).to_string().into_bytes();
        ca.client(administrator).send("PATCH", &format!("{DEPARTMENTS}/{id}"), &headers, body).await
    };
    let (one, again) = (rename(&office.department).await.ok().json(), rename(&office.department).await.ok().json());
    assert_eq!(one, again);
    assert_eq!(refused(&rename(&other).await), (409, "idempotency-key-reused".to_owned()));
    ca.audit_finds_nothing().await;
}

async fn a_proposed_change_is_taken_back_by_whoever_may_propose_it_and_nobody_signs_it_afterwards(family: Family) {
    let ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    let (administrator, auditor) = (&office.administrator, ca.auditor(family).await);
    let own = ca.officer(administrator, &office.department, &["administrator"], family).await;
    let successor = ca.department(administrator, "社会局", "shj.example.cn").await;
    let path = format!("/{}", office.department);
    let wrong_state = (409, "wrong-state".to_owned());
    for (proposed_by, withdrawn_by, method, path, body) in [
        (administrator, administrator, "PATCH", path.clone(), json!({"name": "误"})),
        (administrator, administrator, "POST", format!("{path}/merger"), json!({"successor": successor})),
        (&own, administrator, "POST", String::new(), named(Some(&office.department), &["民政局"], "one.mzj.example.cn")),
        (administrator, &own, "POST", String::new(), named(Some(&office.department), &["民政局"], "one.mzj.example.cn")),
    ] {
        let change = propose(&ca, proposed_by, method, &path, &body).await.ok().json();
        let (id, act) = (text(&change, "id"), text(&change, "act"));
        // Somebody has signed it, and another is about to.
        let mut late = vec![(administrator, administrator.sign(&ca.draft(administrator, &act, &id, None, None).await))];
        if act != "define-department" {
            assert_eq!(signed_by(&ca, &change, &[administrator]).await.status, 202);
            late.push((auditor, auditor.sign(&ca.draft(auditor, &act, &id, None, None).await)));
        }
        for who in [&office.approver, auditor] {
            assert_eq!(refused(&withdraw(&ca, who, &id).await), not_permitted());
            let answer = ca.client(who).post(&format!("/api/v1/department-changes/{id}/withdrawal"), &json!({"statement": "x"})).await;
            assert_eq!(refused(&answer), not_permitted());
        }

        assert_eq!(text(&withdraw(&ca, withdrawn_by, &id).await.ok().json(), "state"), "withdrawn");
        let listed = ca.client(auditor).get("/api/v1/department-changes?limit=1000").await.ok().json();
        let listed = listed["items"].as_array().unwrap().iter().find(|item| text(item, "id") == id).unwrap().clone();
        assert_eq!((text(&listed, "state"), &listed["departments"]), ("withdrawn".to_owned(), &change["departments"]));
        // Nobody signs it any more, and it is not taken back twice.
        for (who, statement) in late {
            assert_eq!(refused(&ca.hand_in(who, &act, &id, &statement).await), wrong_state);
        }
        assert_eq!(refused(&signed_by(&ca, &change, &[administrator]).await), wrong_state);
        assert_eq!(refused(&withdraw(&ca, administrator, &id).await), wrong_state);
        ca.audit_finds_nothing().await;
    }
    // The department is as it was, and what is done is not taken back.
    assert_eq!(text(&ca.client(auditor).get(&format!("{DEPARTMENTS}{path}")).await.ok().json(), "name"), "民政局");
    let changed = done(&ca, &office, family, "PATCH", &path, json!({"name": "民政厅"})).await;
    assert_eq!(refused(&withdraw(&ca, administrator, &text(&changed, "id")).await), wrong_state);
    ca.audit_finds_nothing().await;
}

/// Takes a change back; what refuses the draft is the answer.
pub async fn withdraw(ca: &Ca, by: &Person, change: &str) -> Answer {
    let draft = ca.client(by).post("/api/v1/statements/drafts", &json!({"act": "withdraw", "about": change})).await;
    if draft.status != 200 {
        return draft;
    }
    let statement = by.sign(&serde_json::from_value(draft.json()["payload"].clone()).unwrap());
    ca.client(by).post(&format!("/api/v1/department-changes/{change}/withdrawal"), &json!({"statement": statement})).await
}

async fn departments_never_lie_in_themselves_nor_too_deep(family: Family) {
    let ca = TestCa::new().start().await;
    let administrator = ca.administrator(family).await;
    let top = ca.department(&administrator, "民政局", "mzj.example.cn").await;
    let mut deepest = top.clone();
    for _ in 1..MOST_LEVELS {
        let made = propose(&ca, &administrator, "POST", "", &named(Some(&deepest), &["民政局"], "")).await.ok().json();
        signed_by(&ca, &made, &[&administrator]).await.ok();
        deepest = text(&made, "department");
    }
    let conflict = (409, "departments-refused".to_owned());
    assert_eq!(refused(&propose(&ca, &administrator, "POST", "", &named(Some(&deepest), &["民政局"], "")).await), conflict);
    for parent in [&top, &deepest] {
        assert_eq!(refused(&propose(&ca, &administrator, "PATCH", &format!("/{top}"), &json!({"parent": parent})).await), conflict);
        let merger = propose(&ca, &administrator, "POST", &format!("/{top}/merger"), &json!({"successor": parent})).await;
        assert_eq!(refused(&merger), conflict);
    }
    let nowhere = json!({"parent": "0".repeat(32)});
    assert_eq!(refused(&propose(&ca, &administrator, "PATCH", &format!("/{top}"), &nowhere).await), (404, "unknown-record".to_owned()));
    ca.audit_finds_nothing().await;
}

async fn departments_are_made_changed_and_merged_by_commands(family: Family) {
    let ca = TestCa::new().start().await;
    let administrator = ca.administrator(family).await;
    let auditor = ca.auditor(family).await;
    let shell = Shell::new(&ca);
    let by = |person: &Person| format!("--identity {}", person.files.display());
    let read = async |line: String| shell.ok(&format!("{line} {}", by(&administrator))).await;
    let run = async |line: String| shell.ok(&format!("{line} --yes {}", by(&administrator))).await;
    let second = async |change: &Value| shell.ok(&format!("department sign {} --yes {}", text(change, "id"), by(auditor))).await;

    let top = text(&run("department add 省政府 --dns gov.cn --mail gov.cn".to_owned()).await, "id");
    // The refusal says which command gives the one above the name first.
    let one = format!("department add 民政局 --parent {top} --dns mzj.gov.cn");
    let refused = shell.run(&format!("{one} --yes {}", by(&administrator))).await.unwrap_err();
    let (_, advice) = refused.split_once("(hufu ").unwrap_or_else(|| panic!("{refused}"));
    let (advice, _) = advice.split_once(')').unwrap();
    assert_eq!(advice, format!("department names {top} --organization 民政局"));
    second(&run(advice.to_owned()).await).await;
    let one = text(&run(one).await, "id");
    let renamed = run(format!("department rename {top} 省人民政府")).await;
    assert_eq!(text(&renamed, "state"), "proposed");
    assert_eq!(text(&second(&renamed).await, "state"), "done");
    let shown = read(format!("department show {top}")).await;
    assert_eq!((text(&shown, "name"), &shown["organizations"]), ("省人民政府".to_owned(), &json!(["民政局", "省人民政府"])));

    second(&run(format!("department names {one} --mail mzj.gov.cn --without-dns mzj.gov.cn")).await).await;
    let shown = read(format!("department show {one}")).await;
    assert_eq!((&shown["dns"], &shown["mail"]), (&json!([]), &json!(["mzj.gov.cn"])));
    let missing = shell.run(&format!("department names {one} --without-dns other.cn {}", by(&administrator))).await;
    assert!(missing.unwrap_err().contains("does not have the name other.cn"));
    let two = text(&run(format!("department add 民政处 --parent {one} --organization 民政局")).await, "id");
    // Beside it the bureau's name is the bureau's alone: the other moves with a name of the one above.
    let beside = format!("department move {two} --under {top}");
    let refused = shell.run(&format!("{beside} --yes {}", by(&administrator))).await.unwrap_err();
    assert!(refused.contains(&format!("hufu department names {two} --without-organization 民政局")), "{refused}");
    second(&run(format!("{beside} --organization 省人民政府 --without-organization 民政局")).await).await;
    second(&run(format!("department merge {two} --into {one}")).await).await;
    let all = read("department list".to_owned()).await;
    let merged = all.as_array().unwrap().iter().find(|item| item["id"] == json!(two)).unwrap();
    assert_eq!((&merged["parent"], &merged["successor"]), (&json!(top), &json!(one)));
    assert_eq!(read("list departments".to_owned()).await, all);
    ca.audit_finds_nothing().await;
}

async fn a_command_shows_what_becomes_of_departments_and_asks(family: Family) {
    let ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    let successor = ca.department(&office.administrator, "社会局", "shj.example.cn").await;
    ca.enrol(&office, "staff", family).await;
    let shell = Shell::new(&ca);
    let by = |person: &Person| format!("--identity {}", person.files.display());
    let (department, administrator) = (&office.department, by(&office.administrator));
    // Nobody answers the question: nothing is signed.
    let asked = async |line: String| {
        let told = shell.run(&line).await.unwrap_err();
        assert!(told.contains("Sign? [y/N]") && told.contains("nothing was signed"), "{told}");
        told
    };
    let waiting = async || {
        let changes = ca.client(&office.administrator).get("/api/v1/department-changes?limit=1000").await.ok().json();
        let waits = |item: &&Value| item["state"] == "proposed";
        changes["items"].as_array().unwrap().iter().filter(waits).map(|item| text(item, "id")).collect::<Vec<_>>()
    };
    for (line, expected) in [
        (
            format!("department names {department} --dns mzt.example.cn --without-mail mzj.example.cn"),
            vec!["    DNS: mzj.example.cn → mzj.example.cn, mzt.example.cn".to_owned(), "    mail: mzj.example.cn → -".to_owned()],
        ),
        (
            format!("department rename {department} 民政厅"),
            vec!["    name: 民政局 → 民政厅".to_owned(), "    O: 民政局 → 民政厅".to_owned()],
        ),
        (format!("department move {department} --under {successor}"), vec![]),
        ("department add 民政所 --organization 民政所".to_owned(), vec!["a new one".to_owned(), "    name: 民政所".to_owned()]),
        (
            format!("department merge {department} --into {successor}"),
            vec![
                format!("    merged into: - → {successor} 社会局"),
                format!("department {successor}  社会局"),
                "    O: 社会局 → 民政局, 社会局".to_owned(),
                format!("ends: role approver of {}  officer-", office.approver.id),
                "ends: one open request".to_owned(),
            ],
        ),
    ] {
        if expected.is_empty() {
            // What cannot be done is refused before anybody is asked.
            assert!(shell.run(&format!("{line} {administrator}")).await.unwrap_err().contains("departments-refused"));
            continue;
        }
        let told = asked(format!("{line} {administrator}")).await;
        assert!(expected.iter().all(|line| told.contains(line)), "{told}");
        // It waits; whoever signs it or takes it back is shown the same, and asked.
        let [id] = &waiting().await[..] else { panic!("{line}") };
        assert!(told.contains(&format!("hufu department withdraw {id}")), "{told}");
        for command in ["sign", "withdraw"] {
            let told = asked(format!("department {command} {id} {administrator}")).await;
            assert!(
                expected.iter().filter(|line| command == "sign" || !line.starts_with("ends")).all(|line| told.contains(line)),
                "{told}"
            );
        }
        let withdrawn = shell.ok(&format!("department withdraw {id} --yes {administrator}")).await;
        assert_eq!(text(&withdrawn, "state"), "withdrawn");
    }
    ca.audit_finds_nothing().await;
}

async fn where_the_only_approver_is_gone_another_is_appointed_and_decides_what_waits(family: Family) {
    let ca = TestCa::new().start().await;
    let office = ca.office(family).await;
    let waiting = ca.enrol(&office, "staff", family).await.enrolment;
    // Approved, without a key yet.
    import(&ca, &office.registration, &office.department, "number,CN\nE-1,李雷\n", "").await.ok();
    let approved: Vec<String> = in_state(&ca, &office, "submitted").await.into_iter().filter(|id| *id != waiting).collect();
    approve_list(&ca, &office.approver, &approved).await;

    // Their key was stolen: their roles end, and what they approved waits for approval again.
    let since = Timestamp::new(ca.now() - Duration::hours(1)).to_string();
    let stolen = office.approver.identity.certificate().id().to_string();
    for person in [&office.administrator, ca.auditor(family).await] {
        let draft = ca.draft(person, "re-review", &stolen, None, Some(&since)).await;
        ca.hand_in(person, "re-review", &stolen, &person.sign(&draft)).await.ok();
    }
    let open: Vec<String> = in_state(&ca, &office, "submitted").await;
    assert!(open.contains(&waiting) && open.contains(&approved[0]) && open.len() == 2, "{open:?}");
    for id in &open {
        assert_eq!(refused(&sign(&ca, &office.administrator, "approve", id).await), not_permitted());
        assert_eq!(refused(&sign(&ca, &office.registration, "approve", id).await), (403, "own-request".to_owned()));
    }

    let another = ca.officer(&office.administrator, &office.department, &["approver"], family).await;
    ca.decide(&another, "approve", &waiting, None, None).await.ok();
    approve_list(&ca, &another, &approved).await;
    assert_eq!(in_state(&ca, &office, "issued").await, [waiting]);
    assert_eq!(in_state(&ca, &office, "approved").await, approved);
    ca.audit_finds_nothing().await;
}
