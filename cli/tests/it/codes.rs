//! Codes of errors: shown with each, explained on demand, listed on a page.

use insta::assert_snapshot;

use crate::support::Shop;

#[test]
fn a_code_is_explained_without_looking_at_any_directory() {
    let shop = Shop::new("nonsense");
    let ran = shop.lessor("explain E0402");
    assert_snapshot!(ran, @r#"
    # E0402: an amount of memory or disk cannot be read

    An amount of memory or disk is a whole number with one of the units `B`, `KiB`, `MiB`, `GiB` and
    `TiB`, each 1024 of the one before, in quotes. `GB` and `G` are refused, since some read them as
    1000³ and others as 1024³ bytes.

    ## Wrong

    ```toml
    [docker.local]

    [container.web]
    image = "nginx:1.27"
    memory = "2GB"
    ```

    ## Right

    ```toml
    [docker.local]

    [container.web]
    image = "nginx:1.27"
    memory = "2GiB"
    ```

    ## What to do

    Write the unit out. For a part of one, take the smaller unit: `"1536MiB"`, not `"1.5GiB"`.
    exit 0
    "#);
    for typed in ["e0402", "E402"] {
        assert_eq!(shop.lessor(&format!("explain {typed}")).stdout, ran.stdout, "{typed}");
    }
}

#[test]
fn a_code_there_is_not_names_the_nearest() {
    let shop = Shop::new("");
    assert_snapshot!(shop.lessor("explain E0310"), @"
    err| error: there is no code `E0310`
    err|   hint: the nearest is `E0308`: a name is not one an entry can have
    exit 1
    ");
    assert_snapshot!(shop.lessor("explain 0310"), @"
    err| error: invalid value '0310' for '<SUBJECT>': expected an address such as `container.web`, or a code such as `E0303`
    err| 
    err| For more information, try '--help'.
    exit 64
    ");
}
