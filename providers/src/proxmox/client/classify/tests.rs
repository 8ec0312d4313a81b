use super::*;

/// Texts as they were seen or as the source has them, with the status they come with.
const REFUSALS: &[(u16, &str, Kind)] = &[
    (401, "No ticket", Kind::Denied),
    (401, "Authentication failed!", Kind::Denied),
    (401, "authentication failure", Kind::Denied),
    (401, "Permission denied - invalid csrf token", Kind::Denied),
    (403, "Permission check failed (/vms/110, VM.Audit)", Kind::Denied),
    (403, "Permission check failed", Kind::Denied),
    (
        403,
        "Permission check failed (URI '/access/password' not available with API token, \
             need proper ticket.",
        Kind::Denied,
    ),
    (
        403,
        "Permission check failed (changing feature flags for privileged container is only \
             allowed for root@pam)",
        Kind::Denied,
    ),
    (403, "Permission check failed (pool 'nopool' does not exist)", Kind::Missing),
    (500, "only root can set 'args' config", Kind::Denied),
    (500, "Configuration file 'nodes/pve1/qemu-server/999.conf' does not exist", Kind::Missing),
    (500, "unable to find configuration file for VM 999 on node 'pve1'", Kind::Missing),
    (500, "no such token 'ci' for user 'op@pve'", Kind::Missing),
    (500, "storage 'nostore' does not exist", Kind::Missing),
    (500, "volume 'local:130/vm-130-disk-77.qcow2' does not exist", Kind::Missing),
    (500, "ACL update failed: role 'NoRole' does not exist", Kind::Missing),
    (500, "no such cluster node 'nosuch'", Kind::Missing),
    (500, "update pools failed: VM 150 is not a pool member", Kind::Missing),
    (500, "unable to create VM 110 - VM 110 already exists on node 'pve1'", Kind::Exists),
    (500, "unable to create VM 111: config file already exists", Kind::Exists),
    (500, "update pools failed: VM 110 is already a pool member", Kind::Exists),
    (
        500,
        "create sdn zone object failed: sdn zone object ID 'zvlan' already defined",
        Kind::Exists,
    ),
    (500, "disk image '/x/vm-130-cloudinit.qcow2' already exists", Kind::Exists),
    (500, "snapshot name 'base' already used", Kind::Exists),
    (500, "VM is locked (backup)", Kind::Busy),
    (500, "CT is locked (disk)", Kind::Busy),
    (500, "can't lock file '/var/lock/qemu-server/lock-111.conf' - got timeout", Kind::Busy),
    (500, "checksum mismatch (file change by other user?)", Kind::Stale),
    (500, "detected modified configuration - file changed by other user? Try again.", Kind::Stale),
    (500, "no rule at position 9", Kind::Stale),
    (500, "VM 100 already running", Kind::Stale),
    (500, "VM 100 is running - destroy failed", Kind::Stale),
    (500, "VM 110 is not running", Kind::Stale),
    (500, "VM 120 not running", Kind::Stale),
    (500, "VM is paused - cannot shutdown", Kind::Stale),
    (500, "QEMU guest agent is not running", Kind::Transient),
    (
        500,
        "hostname lookup 'nope' failed - failed to get address info for: nope: Temporary \
             failure in name resolution",
        Kind::Transient,
    ),
    (500, "cluster not ready - no quorum?", Kind::Transient),
    (500, "got no worker upid - start worker failed", Kind::Unknown),
    (500, "unexpected status", Kind::Unknown),
    (500, "received interrupt", Kind::Unknown),
    (500, "No QEMU guest agent configured", Kind::Refused),
    (500, "VM quit/powerdown failed - got timeout", Kind::Refused),
    (500, "can't remove VM 101 - protection mode enabled", Kind::Refused),
    (500, "Linked clone feature is not supported for 'local:201/vm.qcow2' (scsi0)", Kind::Refused),
    (500, "parameter 'storage' not allowed for linked clones", Kind::Refused),
    (500, "can't clone VM to node 'pve2' (VM uses local storage)", Kind::Refused),
    (500, "can't clone to non-shared storage 'x'", Kind::Refused),
    (500, "shrinking disks is not supported", Kind::Refused),
    (500, "base volume 'local:9001/base.qcow2' is still in use by linked cloned", Kind::Refused),
    (500, "no options specified", Kind::Refused),
    (500, "you can't start a vm if it's a template", Kind::Refused),
    (500, "no such file '/api3/json/version'", Kind::Refused),
    (
        500,
        "create sdn vnet object failed: 400 Parameter verification failed.\ntag: tag 100 \
             already exist in vnet vn100",
        Kind::Invalid,
    ),
    (501, "Method 'GET /foo' not implemented", Kind::Refused),
    (501, "Unexpected content for method 'DELETE'", Kind::Refused),
    (501, "chunked transfer encoding not supported", Kind::Refused),
    (506, "upload 'Content-Type 'text/plain' not implemented", Kind::Refused),
    (595, "Connection refused", Kind::Transient),
    (595, "No route to host", Kind::Transient),
    (596, "Connection timed out", Kind::Unknown),
    (596, "Broken pipe", Kind::Unknown),
    (597, "", Kind::Unknown),
    (599, "Too many redirections", Kind::Unknown),
    (429, "", Kind::Busy),
    (502, "Bad Gateway", Kind::Unknown),
    (503, "Service Unavailable", Kind::Transient),
    (404, "Not Found", Kind::Garbled),
    (302, "Found", Kind::Garbled),
];

#[test]
fn every_documented_refusal_has_its_meaning() {
    for &(status, text, kind) in REFUSALS {
        assert_eq!(of_answer(status, text, &BTreeMap::new()), kind, "{status} {text}");
    }
}

#[test]
fn every_documented_parameter_error_has_its_meaning() {
    let cases: &[(&[(&str, &str)], Kind)] = &[
        (&[("vmid", "type check ('integer') failed - got 'abc'")], Kind::Invalid),
        (&[("vmid", "property is missing and it is not optional")], Kind::Invalid),
        (&[("delete", "unknown option 'x'")], Kind::Invalid),
        (&[("vmid", "VM 102 already exists")], Kind::Exists),
        (&[("tokenid", "Token already exists.")], Kind::Exists),
        (&[("name", "alias 'office' already exists")], Kind::Exists),
        (&[("iface", "interface already exists")], Kind::Exists),
        (&[("iface", "interface does not exist")], Kind::Missing),
        (&[("storage", "No such storage.")], Kind::Missing),
        (&[("upid", "no such task")], Kind::Missing),
        (&[("upid", "unable to parse worker upid")], Kind::Invalid),
        (&[("skiplock", "Only root may use this option.")], Kind::Denied),
        (&[("net0", "hotplug problem - error on hot-plugging device 'net0'")], Kind::Pending),
        (&[("proto", "missing property - 'dport' requires this property")], Kind::Invalid),
        (&[("a", "VM 102 already exists"), ("b", "type check ('integer') failed")], Kind::Invalid),
    ];
    for (errors, kind) in cases {
        let errors = errors.iter().map(|(key, text)| ((*key).into(), (*text).into()));
        let errors: BTreeMap<String, String> = errors.collect();
        let text = "Parameter verification failed.";
        assert_eq!(of_answer(400, text, &errors), *kind, "{errors:?}");
    }
}

#[test]
fn a_denial_names_where_and_what() {
    let named = |text| denial(text).map(|denial| (denial.path, denial.privilege));
    let found = named("Permission check failed (/vms/110, VM.Audit)");
    assert_eq!(found, Some(("/vms/110".into(), "VM.Audit".into())));
    let found = named("Permission check failed (, Pool.Allocate)");
    assert_eq!(found, Some((String::new(), "Pool.Allocate".into())));
    assert_eq!(named("Permission check failed (pool 'nopool' does not exist)"), None);
    assert_eq!(
        named(
            "Permission check failed (URI '/access/password' not available with API token, \
             need proper ticket."
        ),
        None
    );
    assert_eq!(named("Permission check failed"), None);
}
