//! The client.
fn main() -> std::process::ExitCode {
    ordain::programs::ordain().into()
}
