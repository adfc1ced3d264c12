//! The daemon.
#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    ordain::programs::ordaind().into()
}

#[cfg(not(target_os = "linux"))]
fn main() {}
