//! The package, the system, and its users.

use super::super::field::{Check, coded, flag, foreign, interface_name, ip, number, subnet, text};
use super::super::kind::Kind;
use super::super::model::{Model, list, single};

pub(super) fn api_key() -> Model {
    list("RESTAPIKey", "REST API Key", "installedpackages/package/0/conf/keys/key")
        .applied_at_once()
        .fields(vec![
            text("descr").default("").empty().longest(128),
            text("username").read_only().default("").empty().nullable(),
            text("hash_algo").choices(&["sha256", "sha384", "sha512"]).default("sha256"),
            number("length_bytes").choices(&[16, 24, 32, 64]).default(24),
            text("hash").sensitive().nullable(),
            text("key").shown_only().nullable(),
        ])
}

pub(super) fn api_settings() -> Model {
    single("RESTAPISettings", "REST API Settings", "installedpackages/package/0/conf")
        .applied_at_once()
        .fields(vec![
            flag("enabled").stored_as("enabled", Some("disabled")).default(true),
            flag("read_only").stored_as("enabled", Some("disabled")).default(false),
            flag("keep_backup").stored_as("enabled", Some("disabled")).default(true),
            flag("login_protection").stored_as("enabled", Some("disabled")).default(true),
            flag("log_successful_auth").stored_as("enabled", Some("disabled")).default(false),
            text("log_level")
                .choices(&[
                    "LOG_DEBUG",
                    "LOG_INFO",
                    "LOG_NOTICE",
                    "LOG_WARNING",
                    "LOG_ERR",
                    "LOG_CRIT",
                    "LOG_ALERT",
                    "LOG_EMERG",
                ])
                .default("LOG_WARNING"),
            flag("allow_pre_releases").stored_as("enabled", Some("disabled")).default(false),
            flag("hateoas").stored_as("enabled", Some("disabled")).default(false),
            flag("expose_sensitive_fields").stored_as("enabled", Some("disabled")).default(false),
            text("override_sensitive_fields")
                .many()
                .default_list(&[])
                .empty()
                .when("expose_sensitive_fields", false),
            interface_name("allowed_interfaces").many().default_list(&[]).empty(),
            text("represent_interfaces_as").choices(&["descr", "id", "if"]).default("descr"),
            text("auth_methods").many().entries(1, 128).default_list(&["BasicAuth"]),
            number("jwt_exp").default(3600).range(300, 86400),
            flag("ha_sync").stored_as("enabled", Some("disabled")).default(false),
            flag("ha_sync_validate_certs").stored_as("enabled", Some("disabled")).default(true),
            text("ha_sync_hosts")
                .many_by(" ")
                .entries(0, 10)
                .default_list(&[])
                .empty()
                .address(ip().v4().v6().fqdn()),
            text("ha_sync_username").default("").empty(),
            text("ha_sync_password").sensitive().default("").empty(),
        ])
}

pub(super) fn api_access_entry() -> Model {
    list(
        "RESTAPIAccessListEntry",
        "REST API Access List Entry",
        "installedpackages/package/0/conf/access_list/item",
    )
    .sorted_by("weight")
    .at_least(1)
    .fields(vec![
        text("type").choices(&["allow", "deny"]).default("allow"),
        number("weight").default(1).range(0, 100),
        text("network").required().address(subnet().v4().v6()),
        foreign("users", &[Kind::User], "name").many().default_list(&[]).empty(),
        foreign("sched", &[Kind::Schedule], "name").default("").empty(),
        text("descr").default("").empty().longest(256),
    ])
}

pub(super) fn hostname() -> Model {
    single("SystemHostname", "System Hostname", "system").applied_at_once().fields(vec![
        text("hostname").required().empty().check(Check::Hostname {
            plain: true,
            domain: false,
            fqdn: false,
        }),
        text("domain").required().empty().check(Check::Hostname {
            plain: false,
            domain: true,
            fqdn: false,
        }),
    ])
}

pub(super) fn dns() -> Model {
    single("SystemDNS", "System DNS", "system").applied_at_once().fields(vec![
        flag("dnsallowoverride").default(false),
        text("dnslocalhost").choices(&["local", "remote"]).nullable(),
        text("dnsserver").many_apart().default_list(&[]).empty().address(ip().v4().v6()),
    ])
}

pub(super) fn tunable() -> Model {
    list("SystemTunable", "System Tunable", "sysctl/item").subsystem("sysctl").fields(vec![
        text("tunable").required().unique(),
        text("value").required().check(Check::Pattern {
            pattern: r"[^a-zA-Z0-9.\-_%\/]",
            inverted: true,
            message: "Value must not match pattern: `/[^a-zA-Z0-9.\\-_%\\/]/`.",
        }),
        text("descr").default("").empty(),
    ])
}

pub(super) fn user() -> Model {
    list("User", "User", "system/user").applied_at_once().fields(vec![
        text("name").required().unique().longest(32).check(Check::Pattern {
            pattern: r"^[a-zA-Z0-9\.\-_]+$",
            inverted: false,
            message: "Value contains invalid characters.",
        }),
        text("password").required().sensitive().stored("bcrypt-hash"),
        number("uid").unique().fixed().read_only().made().nullable(),
        text("scope").fixed().read_only().default("user").nullable(),
        text("priv").many_apart().default_list(&[]).empty(),
        flag("disabled").default(false),
        text("descr").default("").empty(),
        text("expires").default("").empty(),
        foreign("cert", &[Kind::Certificate], "refid").many_apart().default_list(&[]).empty(),
        coded("authorizedkeys").default("").empty(),
        text("ipsecpsk").default("").empty().check(Check::Pattern {
            pattern: r"^[[:ascii:]]*$",
            inverted: false,
            message: "Value contains invalid characters.",
        }),
    ])
}

pub(super) fn user_group() -> Model {
    list("UserGroup", "User Group", "system/group").applied_at_once().sorted_by("name").fields(
        vec![
            text("name").required().unique().longest(64).check(Check::Pattern {
                pattern: r"[^a-zA-Z0-9\.\-_]",
                inverted: true,
                message: "Value must not match pattern: `/[^a-zA-Z0-9\\.\\-_]/`.",
            }),
            number("gid").fixed().read_only().made().nullable(),
            text("scope").choices(&["local", "remote", "system"]).default("local"),
            text("description").default("").empty(),
            foreign("member", &[Kind::User], "name")
                .kept_as("uid")
                .many_apart()
                .entries(0, 2048)
                .default_list(&[])
                .empty(),
            text("priv").many_apart().default_list(&[]).empty(),
        ],
    )
}
