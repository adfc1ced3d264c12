# The tour: a real daemon and a real client on this machine, with throw-away certificates and user.
demo:
    cargo build
    target/debug/ordaind demo --exit

test:
    cargo test

# What must hold before a change lands.
check:
    cargo fmt --check
    cargo clippy --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps
    cargo build --bins
    cargo test

# Every order of the steps of threads that share something.
loom:
    cargo test --lib --features loom loom

# Memory and aliasing of what starts programs and passes descriptors, the kernel's part played by a stand-in. Needs a
# nightly toolchain with miri. From cold it takes some minutes, so it is not part of `.ci/run`.
miri:
    MIRIFLAGS="-Zmiri-disable-isolation -Zmiri-ignore-leaks -Zmiri-permissive-provenance" cargo +nightly miri test --lib miri_

# The client for macOS, from Linux: type-checked with the C parts built. Needs `rustup target add aarch64-apple-darwin`, and zig
# with cargo-zigbuild (`pip install ziglang cargo-zigbuild`). Linking needs Apple's SDK.
macos:
    cargo zigbuild check --target aarch64-apple-darwin --lib --bins

# The book of docs/, into docs/book. Needs mdbook.
book:
    mdbook build docs

# Advisories, licences and sources of the dependencies. Needs cargo-deny.
deny:
    cargo deny check

# Speed and memory, each beside the limit measured in the same run.
bench:
    cargo bench
