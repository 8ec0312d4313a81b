use serde_json::{Value, json};

use super::*;
use crate::https::Method;

/// The name of the variant.
fn kind(error: &CallError) -> String {
    let shown = format!("{error:?}");
    shown.split([' ', '(', '{']).next().unwrap_or_default().to_owned()
}

fn refused(method: Method, status: u16, id: &str, message: &str, data: Value) -> CallError {
    let call = Call::new(method, "/firewall/nat/port_forward");
    let envelope = Envelope { response_id: id.into(), message: message.into(), data };
    CallError::refused(&call, status, &envelope, Some(Duration::from_mins(5)))
}

#[test]
fn each_refusal_has_its_meaning() {
    let cases = [
        (401, "AUTH_AUTHENTICATION_FAILED", "Denied"),
        (403, "AUTH_AUTHORIZATION_FAILED", "Denied"),
        (403, "ENDPOINT_CLIENT_NOT_ALLOWED_BY_ACL", "Denied"),
        (403, "ENDPOINT_INTERFACE_NOT_ALLOWED", "Denied"),
        (403, "SOMETHING_NEW", "Denied"),
        (403, "MODEL_MANY_MINIMUM_REACHED", "Protected"),
        (403, "MODEL_MANY_MAXIMUM_REACHED", "Protected"),
        (403, "MODEL_CANNOT_DELETE_PROTECTED_OBJECT", "Protected"),
        (405, "ENDPOINT_METHOD_NOT_ALLOWED_IN_READ_ONLY_MODE", "ReadOnly"),
        (405, "ENDPOINT_METHOD_NOT_ALLOWED", "Invalid"),
        (404, "MODEL_OBJECT_NOT_FOUND", "Missing"),
        (404, "MODEL_PARENT_OBJECT_NOT_FOUND", "Missing"),
        (404, "FOREIGN_MODEL_FIELD_VALUE_NOT_FOUND", "Dangling"),
        (404, "FIREWALL_RULE_DNPIPE_NOT_FOUND", "Dangling"),
        (404, "QUERY_FILTER_NOT_FOUND", "Invalid"),
        (404, "MODEL_MISSING_REQUIRED_PACKAGE", "NoPackage"),
        (424, "DISPATCHER_MISSING_REQUIRED_PACKAGE", "NoPackage"),
        (424, "DISPATCHER_WITH_FAILED_INCLUDE", "Unknown"),
        (409, "MODEL_CANNOT_BE_DELETED_WHILE_REFERENCED", "Referenced"),
        (409, "WIREGUARD_TUNNEL_CANNOT_BE_DISABLED_WHILE_IN_USE_BY_INTERFACE", "Referenced"),
        (409, "DHCP_SERVER_STATIC_MAPPING_IPADDR_OVERLAPS_EXISTING_OBJECT", "Invalid"),
        (400, "FIELD_IS_REQUIRED", "Invalid"),
        (400, "FIELD_INVALID_TYPE", "Invalid"),
        (406, "CONTENT_HANDLER_ENCODE_NOT_FOUND", "Invalid"),
        (415, "CONTENT_HANDLER_DECODE_NOT_FOUND", "Invalid"),
        (422, "USER_GROUP_SCOPE_CANNOT_BE_SET_TO_SYSTEM", "Invalid"),
        (503, "MODEL_WRITE_CONFIG_LOCKED", "Locked"),
        (503, "DISPATCHER_TOO_MANY_QUEUED_PROCESSES", "Unknown"),
        (503, "ENDPOINT_REST_API_IS_NOT_ENABLED", "Off"),
        (503, "ENDPOINT_UNAVAILABLE", "Off"),
        (503, "SOMETHING_NEW", "Unknown"),
        (500, "ENDPOINT_RECEIVED_UNEXPECTED_ERROR", "Unknown"),
        (500, "MODEL_FAILED_TO_SET_PLACEMENT", "Invalid"),
        (302, "SOMETHING_NEW", "Garbled"),
    ];
    for (status, id, expected) in cases {
        let error = refused(Method::PATCH, status, id, "No.", json!([]));
        assert_eq!(kind(&error), expected, "{status} {id}: {error:?}");
    }
    let look = refused(Method::GET, 500, "ENDPOINT_RECEIVED_UNEXPECTED_ERROR", "No.", json!([]));
    assert_eq!(kind(&look), "Unanswered");
}

#[test]
fn a_refusal_says_what_is_lacking_which_field_is_wrong_and_who_refers() {
    let patch = |status, id, message, data| refused(Method::PATCH, status, id, message, data);
    let routes = json!([{"id": 0, "network": "172.16.0.0/12", "descr": ""}, {"descr": "lab"}]);
    let told = [
        patch(403, "AUTH_AUTHORIZATION_FAILED", "Authorization failed.", json!([])),
        patch(400, "FIELD_INVALID_TYPE", "Field `tag` must be of type `integer`.", json!([])),
        patch(409, "MODEL_CANNOT_BE_DELETED_WHILE_REFERENCED", "It is referenced.", routes),
        patch(500, "ENDPOINT_RECEIVED_UNEXPECTED_ERROR", "Died\n#0 /etc/inc/x.inc(7)", json!([])),
    ];
    let said: Vec<String> = told.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(said.join("\n"), @"
    the firewall refused `PATCH /api/v2/firewall/nat/port_forward`: the user lacks the privilege `api-v2-firewall-nat-port-forward-patch`
    the firewall refused `PATCH /api/v2/firewall/nat/port_forward`: Field `tag` must be of type `integer`.
    the firewall refused `PATCH /api/v2/firewall/nat/port_forward`: It is referenced. (by `172.16.0.0/12`, `lab`)
    nobody knows what became of `PATCH /api/v2/firewall/nat/port_forward`: ENDPOINT_RECEIVED_UNEXPECTED_ERROR: Died
    ");
    assert!(matches!(&told[1], CallError::Invalid { field: Some(field), .. } if field == "tag"));
}

#[test]
fn a_full_queue_refuses_an_apply_and_leaves_a_write_unknown() {
    let told = |method, path| {
        let id = "DISPATCHER_TOO_MANY_QUEUED_PROCESSES".to_owned();
        let envelope = Envelope { response_id: id, message: String::new(), data: json!([]) };
        let wait = Some(Duration::from_mins(5));
        CallError::refused(&Call::new(method, path), 503, &envelope, wait)
    };
    let call = "POST /api/v2/firewall/apply".into();
    let retry_after = Some(Duration::from_mins(5));
    let refused = CallError::Throttled { call, retry_after };
    assert_eq!(told(Method::POST, "/firewall/apply"), refused);
    // Applied at once, and so stored.
    assert!(told(Method::POST, "/interface/vlan").is_unknown());
}

#[test]
fn a_page_of_the_web_server_has_its_meaning_too() {
    let kinds = |status| {
        let kind = |method| {
            let error = CallError::wordless(&Call::new(method, "/firewall/rules"), status, "Oops");
            kind(&error)
        };
        [kind(Method::GET), kind(Method::POST)]
    };
    assert_eq!(kinds(200), ["Garbled", "Unknown"]);
    assert_eq!(kinds(401), ["Denied", "Denied"]);
    assert_eq!(kinds(404), ["NoPackage", "NoPackage"]);
    assert_eq!(kinds(413), ["Garbled", "Garbled"]);
    assert_eq!(kinds(502), ["Unanswered", "Unknown"]);
    assert_eq!(kinds(504), ["Unanswered", "Unknown"]);
}

#[test]
fn a_step_is_tried_again_looked_at_again_or_given_up() {
    let call = || "POST /api/v2/firewall/rule".to_owned();
    let becomes = |error: CallError| kind_of_step(&error.into());
    let why = String::new;
    assert_eq!(becomes(CallError::Missing { call: call(), why: why() }), "Stale");
    assert_eq!(becomes(CallError::Taken { what: why() }), "Stale");
    assert_eq!(becomes(CallError::Unknown { call: call(), why: why() }), "Transient");
    assert_eq!(becomes(CallError::Locked { call: call(), again: false }), "Transient");
    assert_eq!(becomes(CallError::Locked { call: call(), again: true }), "Refused");
    assert_eq!(becomes(CallError::ReadOnly { call: call() }), "Refused");
}

fn kind_of_step(error: &ApplyError) -> String {
    let shown = format!("{error:?}");
    shown.split([' ', '(', '{']).next().unwrap_or_default().to_owned()
}
