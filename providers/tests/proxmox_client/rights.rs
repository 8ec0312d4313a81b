//! What we may not do.

use lessor_providers::proxmox::client::{Denial, Form, GuestKind, Kind, NewClone, Permissions};

use crate::cluster::{Cluster, machine, token};

#[tokio::test]
async fn a_missing_privilege_is_named_with_its_path_and_how_to_give_it() {
    let cluster = Cluster::begin().await;
    let root = cluster.root();
    let guest = machine(&root, 100, "a").await;
    let user = Form::new().with("userid", "op@pve");
    root.post::<()>(&["access", "users"], &user).await.unwrap();
    let path = ["access", "users", "op@pve", "token", "ci"];
    let given: serde_json::Value = root.post(&path, &Form::new().with("privsep", 0)).await.unwrap();
    let client = cluster.with(token("op@pve!ci", given["value"].as_str().unwrap()));

    // Lists are filtered; what is asked for by name is refused.
    assert_eq!(client.permissions().await.unwrap(), Permissions::default());
    assert_eq!(client.guests("pve1", GuestKind::Qemu).await.unwrap(), []);
    let unseen = client.guest_config(&guest).await.unwrap_err();

    let acl =
        Form::new().with("path", "/vms/100").with("users", "op@pve").with("roles", "PVEVMUser");
    root.put::<()>(&["access", "acl"], &acl).await.unwrap();
    let clone = NewClone { vmid: 101, ..NewClone::default() };
    let denied = client.guest_clone(&guest, &clone).await.unwrap_err();

    let denial = Denial { path: "/vms/100".into(), privilege: "VM.Audit".into() };
    assert_eq!((unseen.kind(), unseen.denial()), (Kind::Denied, Some(&denial)));
    assert!(client.guest_config(&guest).await.unwrap().is_some());
    let denial = Denial { path: "/vms/100".into(), privilege: "VM.Clone".into() };
    assert_eq!((denied.kind(), denied.denial()), (Kind::Denied, Some(&denial)));
    let hint = denied.hint().unwrap();
    assert!(hint.contains("`VM.Clone` on `/vms/100`"), "{hint}");
    let lacking = client.permissions_lacking("/vms/100", &["VM.Audit", "VM.Clone"]).await.unwrap();
    assert_eq!(lacking, ["VM.Clone"].into());
}
