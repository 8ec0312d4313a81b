# What can be done here.
default:
    @just --list --unsorted

# Everything that has to pass before a change lands.
check: format-check lint test docs deny

# Every test; installs and starts what they need.
test:
    tests/run.sh

# Are all files formatted?
format-check:
    cargo fmt --all --check

# Clippy, with warnings as errors.
lint:
    cargo clippy --workspace --all-targets -- --deny warnings

# The documentation of every crate, with warnings as errors.
docs:
    RUSTDOCFLAGS="--deny warnings --allow rustdoc::private-intra-doc-links" cargo doc --workspace --no-deps --document-private-items

# Licences, bans and sources of dependencies.
deny:
    command -v cargo-deny >/dev/null || cargo install --locked cargo-deny
    cargo deny check bans licenses sources

# Searches for input that breaks a promise, for some seconds each: `just fuzz 600 specs journal`.
fuzz seconds="60" +targets="specs saved_plan journal quantity proxmox orders":
    fuzz/run.sh {{ seconds }} {{ targets }}

# Plan, apply, show and check the example, on a pretend host or on `docker`.
tour engine="":
    examples/tour.sh {{ engine }}

# A container image and a Debian package, in target/package; see docs/packages.md.
package binary="":
    packaging/package.sh {{ binary }}

# What planning costs, and what applying costs beside raw calls; see docs/benchmarks.md.
bench:
    cargo build --release --package lessor
    cargo bench --package lessor-tests

# The long proofs: a hundred kills of each sort, a server frozen for a minute, 300 adopted containers,
# ten times the random cases.
soak:
    LESSOR_KILLS=100 LESSOR_FROZEN=60 LESSOR_ADOPT_ROUNDS=25 PROPTEST_CASES=2560 tests/run.sh
