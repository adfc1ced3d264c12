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

# Speed and memory, each beside the limit measured in the same run.
bench:
    cargo bench
