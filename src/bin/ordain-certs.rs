//! The certificate helper.
fn main() -> std::process::ExitCode {
    ordain::programs::ordain_certs().into()
}
