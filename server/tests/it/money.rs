//! Money over HTTP: credit once, refunds of what was charged, and what everybody can read of it.

use insta::{allow_duplicates, assert_snapshot};
use jiff::SignedDuration;
use lessor_store::PlatformRole;
use serde_json::{Value, json};

use crate::fixture::{Answer, BACKENDS, Credential, Server};

impl Server {
    async fn give(&self, who: &Credential, what: &str, key: &str, body: Value) -> Answer {
        let path = format!("/v1/tenants/acme/{what}");
        self.call_with(who, "POST", &path, &[("idempotency-key", key)], Some(body)).await
    }

    async fn balance(&self, who: &Credential) -> Value {
        let wallet = self.call(who, "GET", "/v1/tenants/acme/wallet", None).await;
        wallet.body["items"][0]["balance"].clone()
    }
}

#[tokio::test]
async fn credit_is_given_once_and_put_down_to_who_gave_it() {
    for backend in BACKENDS {
        let server = Server::renting(backend).await;
        let alice = server.person("alice").await;
        server.tenant("acme", "alice").await;
        let billing = server.platform(PlatformRole::Billing).await;
        let credit = json!({ "currency": "EUR", "amount": "5", "memo": "a payment" });

        let first = server.give(&billing, "credits", "k", credit.clone()).await;
        let again = server.give(&billing, "credits", "k", credit.clone()).await;
        let mut more = credit.clone();
        more["amount"] = json!("6");
        let reused = server.give(&billing, "credits", "k", more.clone()).await;
        more["amount"] = json!("-6");
        let negative = server.give(&billing, "credits", "k2", more).await;
        let own = server.give(&alice, "credits", "k3", credit).await;

        assert_eq!(first.status, 201, "{first:?}");
        assert_eq!(first.body, again.body);
        assert_eq!(server.balance(&alice).await, "5.000000");
        let said = format!("{}\n{}\n{}", reused.shown(), negative.shown(), own.shown());
        allow_duplicates! {
            assert_snapshot!(said, @r#"
            422 {"errors":[{"detail":"the idempotency key `k` was used for another request","parameter":"Idempotency-Key"}],"status":422,"title":"the idempotency key was used for another request","type":"/problems/key-reused"}
            422 {"errors":[{"detail":"EUR -6.000000 is no amount for that","pointer":"/amount"}],"status":422,"title":"the input is not valid","type":"/problems/invalid"}
            403 {"detail":"this needs `money:write` in the tenant","status":403,"title":"this caller may not do that","type":"/problems/forbidden"}
            "#);
        }
        let events = server.store().audit_list(Some("acme"), None, 10).await.unwrap();
        let given: Vec<_> = events.iter().filter(|event| event.action == "ledger.credit").collect();
        assert_eq!(given.len(), 1);
        assert_eq!(json!(given[0].target), first.body["transaction"]);
    }
}

#[tokio::test]
async fn what_was_charged_is_given_back_once_and_never_more_than_that() {
    for backend in BACKENDS {
        let server = Server::renting(backend).await;
        let alice = server.person("alice").await;
        server.tenant("acme", "alice").await;
        let billing = server.platform(PlatformRole::Billing).await;
        let order = server.order("acme").await;
        server.store().order_begin(&order).await.unwrap();
        server.store().order_activate(&order, None).await.unwrap();

        let ledger = server.call(&alice, "GET", "/v1/tenants/acme/ledger", None).await;
        let charge = ledger.body["items"][0]["id"].clone();
        let refund = |amount: &str| json!({ "transaction": charge, "amount": amount, "memo": "it was down" });
        let half = server.give(&billing, "refunds", "k", refund("0.01")).await;
        let again = server.give(&billing, "refunds", "k", refund("0.01")).await;
        let more = server.give(&billing, "refunds", "k2", refund("0.01")).await;
        assert_eq!((half.status.as_u16(), &half.body), (201, &again.body));
        assert_eq!(more.status, 409, "{more:?}");
        assert_eq!(server.balance(&alice).await, "0.995100");

        let kinds = server.call(&alice, "GET", "/v1/tenants/acme/ledger", None).await;
        let kinds = kinds.body["items"].as_array().unwrap().iter();
        let kinds: Vec<_> = kinds.map(|entry| entry["kind"].as_str().unwrap().to_owned()).collect();
        assert_eq!(kinds, ["refund", "charge", "credit"]);
        let until = lessor_engine::Clock::now(server.store()) + SignedDuration::from_mins(1);
        let path = format!("/v1/tenants/acme/usage?until={until}");
        let usage = server.call(&alice, "GET", &path, None).await;
        let line = &usage.body["items"][0];
        assert_eq!((&line["order"], &line["transaction"]), (&json!(order), &charge));
        assert_eq!(line["amount"], "0.014900");
        let quota = server.call(&alice, "GET", "/v1/tenants/acme/quota", None).await;
        allow_duplicates! {
            assert_snapshot!(quota.body, @r#"{"limit":{"cpu":null,"disk":null,"instances":null,"memory":null},"used":{"cpu":"1","disk":"10GiB","instances":1,"memory":"2GiB"}}"#);
        }
        assert!(server.store().ledger_verify().await.unwrap().faults.is_empty());
    }
}

#[tokio::test]
async fn an_instance_says_how_to_get_at_it_until_it_ended() {
    for backend in BACKENDS {
        let server = Server::renting(backend).await;
        let games = "[port_range.games]\ndocker = \"par1\"\nrange = \"25565-25570\"\n";
        let ports = "ports = [{ range = \"games\", container = 25565 }] }";
        let specs = crate::fixture::SPECS
            .replace("disk = \"10GiB\" }", &format!("disk = \"10GiB\", {ports}"));
        server.apply(&format!("{games}{specs}")).await;
        let alice = server.person("alice").await;
        server.tenant("acme", "alice").await;
        let order = server.order("acme").await;

        let path = format!("/v1/instances/{order}/access");
        let access = server.call(&alice, "GET", &path, None).await;
        let listed = server.call(&alice, "GET", "/v1/instances?tenant=acme", None).await;
        server.call(&alice, "DELETE", &format!("/v1/orders/{order}"), None).await;
        let after = server.call(&alice, "GET", &path, None).await;
        let gone = server.call(&alice, "GET", "/v1/instances?tenant=acme", None).await;

        assert_eq!(listed.body["items"][0]["id"], json!(order));
        assert_eq!((&after.body["ports"], &gone.body["items"]), (&json!([]), &json!([])));
        allow_duplicates! {
            assert_snapshot!(access.body, @r#"{"address":null,"location":null,"ports":[{"leads_to":"25565/tcp","port":25565}],"private_address":null,"user":null}"#);
        }
    }
}
