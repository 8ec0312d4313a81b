//! One writer, and what others do to it.

use std::sync::Arc;
use std::time::Duration;

use lessor_providers::pfsense::{
    Alias, CallError, Done, Edit, EditError, Interface, Rule, Subsystem, Unapplied, Writer,
};
use lessor_sandbox::pfsense::Version;
use serde_json::{Value, json};

use crate::firewall::{Firewall, SOON, Trick, VERSIONS, refusal};
use crate::objects::{alias, rule};

#[expect(clippy::unnecessary_wraps, reason = "it stands beside errors")]
fn done(key: &str) -> Result<Done, EditError> {
    Ok(Done::Written { key: key.into() })
}

#[tokio::test]
async fn two_hundred_edits_at_once_are_one_apply() {
    let firewall = Firewall::new(Version::V2_10_0).await;
    let writer = firewall.writer();
    let edits = (1..=200).map(|tracker| writer.batch(vec![Edit::create(rule(tracker))]));

    let committed = futures_util::future::join_all(edits).await;

    let trackers = (1..=200).map(|tracker: u64| done(&tracker.to_string()));
    let outcomes = committed.iter().map(|committed| committed.outcomes[0].clone());
    assert!(outcomes.eq(trackers));
    assert_eq!(committed[0].seen.rules.as_ref().unwrap().len(), 202);
    assert_eq!(firewall.count("POST /firewall/rule"), 200);
    assert_eq!(firewall.count("POST /firewall/apply"), 1);
    assert_eq!(firewall.count("GET /firewall/rules"), 1);
}

#[tokio::test]
async fn one_that_fails_fails_alone() {
    for version in VERSIONS {
        let firewall = Firewall::new(version).await;
        let writer = firewall.writer();
        let bad = Rule { destination: "nothing".into(), ..rule(2) };

        let committed = writer
            .batch(vec![
                Edit::create(rule(1)),
                Edit::create(bad),
                Edit::update(9, rule(9)),
                Edit::create(rule(3)),
                Edit::delete::<Rule>(8),
            ])
            .await;

        let outcomes = committed.outcomes;
        assert_eq!((&outcomes[0], &outcomes[3]), (&done("1"), &done("3")));
        assert!(matches!(outcomes[1], Err(EditError::Call(CallError::Invalid { .. }))));
        assert!(matches!(outcomes[2], Err(EditError::Call(CallError::Missing { .. }))));
        assert_eq!(outcomes[4], Ok(Done::Gone));
        assert_eq!(firewall.count("POST /firewall/apply"), 1);
    }
}

#[tokio::test]
async fn what_changes_nothing_applies_nothing() {
    let firewall = Firewall::new(Version::V2_10_0).await;
    let committed = firewall.writer().batch(vec![Edit::update(9, rule(9))]).await;
    assert!(committed.outcomes[0].is_err() && committed.seen.rules.is_none());
    assert_eq!(firewall.written(), [""; 0]);
}

#[tokio::test]
async fn a_firewall_that_takes_no_writes_is_asked_once() {
    let firewall = Firewall::with(Version::V2_10_0, |state| {
        state.config.set("installedpackages/package/0/conf/read_only", "enabled".into());
    })
    .await;
    let edits = ["a", "b", "c"].map(|name| Edit::create(alias(name)));

    let committed = firewall.writer().batch(edits.into()).await;

    for outcome in &committed.outcomes {
        assert!(matches!(outcome, Err(EditError::Call(CallError::ReadOnly { .. }))));
    }
    assert_eq!(firewall.written(), ["POST /firewall/alias"]);
}

#[tokio::test]
async fn deletions_in_a_row_begin_at_the_end_of_the_list() {
    let firewall = Firewall::new(Version::V2_7_1).await;
    let writer = firewall.writer();
    let edits = ["a", "b", "c", "d"].map(|name| Edit::create(alias(name)));
    writer.batch(edits.into()).await;

    let edits = ["b", "d", "a"].map(|name| Edit::delete::<Alias>(name.into()));
    let committed = writer.batch(edits.into()).await;

    assert_eq!(committed.outcomes, [Ok(Done::Gone), Ok(Done::Gone), Ok(Done::Gone)]);
    assert_eq!(committed.seen.aliases.as_deref().unwrap(), [alias("c")]);
    let state = firewall.system.state().await;
    assert!(state.live.description.contains("Deleted"), "{:?}", state.live);
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_found_by_looking() {
    for version in VERSIONS {
        let firewall = Firewall::new(version).await;
        let writer = firewall.writer();
        writer.batch(vec![Edit::create(rule(1)), Edit::create(rule(2))]).await;
        for fault in [
            "lost,method=POST,path=/firewall/rule,times=1",
            "lost,method=PATCH,times=1",
            "lost,method=DELETE,times=1",
        ] {
            firewall.fault(fault);
        }

        let changed = Rule { log: true, ..rule(1) };
        let edits = vec![Edit::create(rule(3)), Edit::update(1, changed), Edit::delete::<Rule>(2)];
        let committed = writer.batch(edits).await;

        assert_eq!(committed.outcomes, [done("3"), done("1"), Ok(Done::Gone)]);
    }
}

#[tokio::test]
async fn a_write_that_comes_later_is_unknown_until_then() {
    let firewall = Firewall::new(Version::V2_10_0).await;
    let writer = firewall.writer();
    firewall.fault("refused,method=POST,path=/firewall/alias,times=1");
    firewall.fault("late:100,method=POST,path=/firewall/alias,times=1");

    let never = writer.batch(vec![Edit::create(alias("never"))]).await;
    let late = writer.batch(vec![Edit::create(alias("late"))]).await;

    let Err(EditError::Call(error)) = &never.outcomes[0] else { panic!("{never:?}") };
    assert!(error.is_unknown() && error.may_pass(), "{error:?}");
    // Whoever asks again looks first.
    if late.outcomes[0] != done("late") {
        while writer.client().alias_list().await.unwrap().is_empty() {}
    }
    assert_eq!(writer.client().alias_list().await.unwrap(), [alias("late")]);
}

#[tokio::test]
async fn an_apply_that_never_ends_is_told_and_the_object_is_there() {
    for version in VERSIONS {
        let firewall = Firewall::with(version, |state| state.apply_ms = i64::MAX / 2).await;
        let writer = Writer::with_patience(Arc::new(firewall.client()), Duration::ZERO);
        let interface = Interface {
            port: "vtnet3".into(),
            enable: true,
            descr: "X".into(),
            typev4: "none".into(),
            ..Interface::default()
        };

        let committed = writer.batch(vec![Edit::create(interface), Edit::create(rule(1))]).await;

        let unfinished =
            Unapplied::Unfinished { subsystem: Subsystem::Interfaces, within: Duration::ZERO };
        assert_eq!(committed.outcomes, [Err(EditError::Unapplied(unfinished)), done("1")]);
        assert_eq!(committed.seen.interfaces.as_ref().unwrap()[3].id, "opt2");
    }
}

#[tokio::test]
async fn a_full_queue_is_told_with_how_long_to_wait() {
    let firewall = Firewall::with(Version::V2_10_0, |state| state.apply_ms = i64::MAX / 2).await;
    let client = firewall.client();
    for _ in 0..10 {
        let began = client.apply(Subsystem::Dhcp, Duration::ZERO).await;
        assert_eq!(began, Ok(()), "nothing waits, so nothing is waited for");
    }

    let error = client.apply(Subsystem::Dhcp, SOON).await.unwrap_err();

    let call = "POST /api/v2/services/dhcp_server/apply".into();
    let why = CallError::Throttled { call, retry_after: Some(Duration::from_mins(5)) };
    assert_eq!(error, Unapplied::Refused { subsystem: Subsystem::Dhcp, why });
}

#[tokio::test]
async fn an_apply_whose_answer_is_lost_is_asked_for_again() {
    let firewall = Firewall::new(Version::V2_10_0).await;
    let gateway = refusal(500, "ENDPOINT_RECEIVED_UNEXPECTED_ERROR", "Segfault\n#0 stack");
    firewall.trick("POST /firewall/apply", Trick::Answered(gateway));

    let committed = firewall.writer().batch(vec![Edit::create(rule(1))]).await;

    assert_eq!(committed.outcomes, [done("1")]);
    assert_eq!(firewall.count("POST /firewall/apply"), 2);
}

#[tokio::test]
async fn a_write_that_another_writer_undoes_is_lost_and_not_done() {
    for version in VERSIONS {
        let firewall = Firewall::new(version).await;
        // What was written last was made from what was there before ours.
        let undone = Firewall::other("DELETE", "/firewall/alias?id=0", &Value::Null);
        firewall.trick("POST /firewall/apply", Trick::After(undone));

        let edits = vec![Edit::create(alias("a")), Edit::create(alias("b"))];
        let committed = firewall.writer().batch(edits).await;

        let lost = EditError::Lost { what: "alias `a`".into() };
        assert!(lost.may_pass() && lost.hint().is_some());
        assert_eq!(committed.outcomes, [Err(lost), done("b")]);
    }
}

#[tokio::test]
async fn a_user_whose_writes_are_not_kept_is_found_out() {
    let firewall = Firewall::new(Version::V2_10_0).await;
    let client = firewall.client_of(&["page-all", "user-config-readonly"]).await;

    let committed = Writer::new(Arc::new(client)).batch(vec![Edit::create(alias("a"))]).await;

    assert_eq!(committed.outcomes, [Err(EditError::Lost { what: "alias `a`".into() })]);
}

#[tokio::test]
async fn a_place_that_moved_between_look_and_write_is_told() {
    for version in VERSIONS {
        let firewall = Firewall::new(version).await;
        let writer = firewall.writer();
        let edits = ["a", "b", "c"].map(|name| Edit::create(alias(name)));
        writer.batch(edits.into()).await;
        let gone = || Trick::After(Firewall::other("DELETE", "/firewall/alias?id=0", &Value::Null));

        firewall.trick("PATCH /firewall/alias", gone());
        let changed = Alias { descr: "new".into(), ..alias("b") };
        let updated = writer.batch(vec![Edit::update("b".into(), changed)]).await;
        let met = Firewall::other("POST", "/firewall/alias", &json!({"name": "d", "type": "host"}));
        firewall.trick("POST /firewall/apply", Trick::After(met));
        firewall.trick("DELETE /firewall/alias", gone());
        let deleted = writer.batch(vec![Edit::delete::<Alias>("b".into())]).await;

        for (outcome, what) in [(&updated.outcomes[0], "b"), (&deleted.outcomes[0], "b")] {
            let Err(EditError::Call(CallError::Moved { what: meant, .. })) = outcome else {
                panic!("{outcome:?}")
            };
            assert_eq!(*meant, format!("alias `{what}`"));
        }
        let left: Vec<_> = deleted.seen.aliases.as_ref().unwrap().iter().collect();
        assert_eq!(left.len(), 1, "{left:?}");
    }
}

#[tokio::test]
async fn who_gives_up_waiting_takes_nobodys_edits_with_him() {
    let firewall = Firewall::new(Version::V2_10_0).await;
    let writer = firewall.writer();
    let other = writer.clone();
    let hasty = tokio::spawn(async move { other.batch(vec![Edit::create(alias("a"))]).await });
    tokio::task::yield_now().await;
    hasty.abort();

    let patient = writer.batch(vec![Edit::create(alias("b"))]).await;

    assert_eq!(patient.outcomes, [done("b")]);
    assert_eq!(writer.client().alias_list().await.unwrap().len(), 2);
}
