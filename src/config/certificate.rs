//! `[tls]`: certificate, key and the CA of client certificates, read and judged together.

use super::reader::{Item, Table};
use super::warning::{Subject, Warning};
use crate::limits;
use crate::monitor::{Tls, TlsFile, TlsFiles};
use std::path::Path;

/// Reads the files; `None` leaves a fault.
pub fn read_tls(
    root: &Table<'_>,
    table: Option<&Table<'_>>,
    folder: &Path,
) -> Option<(TlsFiles, Tls)> {
    let Some(table) = table else {
        root.fault("[tls] is missing; accepted is [tls] with certificate and key (`ordaind init` makes them)");
        return None;
    };

    let _ = table.item("handshake_timeout");
    let item = |key: &'static str| {
        table
            .item(key)
            .and_then(|item| Some((item.file(folder)?, item)))
    };

    let needed = |key: &'static str| {
        let found = item(key);
        if found.is_none() {
            table.fault(format!(
                "`{key}` is missing; accepted is the path of a PEM file"
            ));
        }

        found
    };

    let client_ca = item("client_ca");
    let (certificate, key) = (needed("certificate"), needed("key"));
    let ((certificate_path, certificate), (key_path, key)) = (certificate?, key?);
    let (ca_path, ca) = client_ca.unzip();
    let files = TlsFiles {
        certificate: certificate_path,
        key: key_path,
        client_ca: ca_path,
    };

    let read = match files.read() {
        Ok(read) => read,
        Err(faults) => {
            for (file, why) in faults {
                match file {
                    TlsFile::Certificate => certificate.fault(why),
                    TlsFile::Key => key.fault(why),
                    TlsFile::ClientCa => ca.iter().for_each(|ca| ca.fault(why.clone())),
                }
            }

            return None;
        }
    };

    warn_of_expiry(&certificate, &read);
    Some((files, read))
}

/// Warns of a certificate that is not valid now, or not for much longer.
fn warn_of_expiry(certificate: &Item<'_>, read: &Tls) {
    let now = crate::clock::now();
    let what = (Warning::Certificate, &Subject::table("tls"));
    if let Some(fault) = read.validity.fault(now) {
        certificate.warn(what, format!("the certificate {fault}"));
    } else if read.validity.left(now) < limits::CERTIFICATE_WARNING {
        let left = read.validity.left_text(now);
        certificate.warn(what, format!("the certificate expires in {left}"));
    }
}
