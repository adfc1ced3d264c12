//! What a command may use and what it is kept from: `limits`, `sandbox`, `network` and their like.

use super::reader::Table;
use super::values::{absolute, has, window};
use crate::policy::{Confinement, RunLimits, Sandbox};
use std::path::PathBuf;

/// Reads what bounds a run.
pub fn limits(table: &Table<'_>) -> RunLimits {
    let limits = RunLimits {
        idle: table.duration("idle_timeout"),
        output: table.item("output_max").and_then(|item| item.size()),
        ..RunLimits::default()
    };
    bounds(table, limits)
}

/// Reads `limits`: what the processes of a run may use.
pub fn bounds(table: &Table<'_>, mut limits: RunLimits) -> RunLimits {
    let Some(table) = table.table("limits") else {
        return limits;
    };
    let number = |key, range| {
        table
            .integer(key, range)
            .and_then(|number| u64::try_from(number).ok())
    };

    limits.memory = table.item("memory").and_then(|item| item.size());
    limits.processes = number("processes", 1..=4_194_304);
    limits.cpu_percent = table.item("cpu").and_then(|item| item.parsed(percent));
    limits.per_process = table.flag("per_process").unwrap_or(false);
    limits.cpu_time = table.duration("cpu_time");
    limits.open_files = number("open_files", 8..=1_048_576);
    limits.file_size = table.item("file_size").and_then(|item| item.size());
    limits.core = table.flag("core").unwrap_or(false);
    if limits.memory.is_some_and(|memory| memory < 1 << 20) {
        table.fault("`memory` is under 1 MiB, which no program starts in");
    }
    if limits.per_process && limits.cpu_percent.is_some() {
        table.fault("`cpu` is a share for all processes together; per_process knows `cpu_time`");
    }
    table.finish();
    limits
}

/// `"150%"`: one and a half cores.
fn percent(text: &str) -> Result<u32, String> {
    let number = text
        .strip_suffix('%')
        .and_then(|number| number.parse::<u32>().ok())
        .filter(|number| (1..=100_000).contains(number));
    number.ok_or_else(|| {
        format!(
            "found \"{}\"; accepted is a share of one core such as \"50%\" or \"200%\"",
            text.escape_debug()
        )
    })
}

/// Reads what a run is kept from.
pub fn confinement(table: &Table<'_>) -> Confinement {
    let read = Confinement {
        setuid_allowed: table.flag("setuid_allowed").unwrap_or(false),
        network: table.flag("network").unwrap_or(true),
        umask: table
            .item("umask")
            .and_then(|item| item.parsed(octal))
            .unwrap_or(0o022),
        sandbox: table.table("sandbox").map(|table| {
            let paths = |key: &'static str| -> Vec<PathBuf> {
                table
                    .texts(key)
                    .unwrap_or_default()
                    .iter()
                    .filter_map(|item| item.parsed(absolute))
                    .collect()
            };

            let sandbox = Sandbox {
                read: paths("read"),
                write: paths("write"),
                execute: paths("execute"),
            };

            table.finish();
            sandbox
        }),
    };

    if read.setuid_allowed && (!read.network || read.sandbox.is_some()) {
        table.fault("`setuid_allowed` with `network = false` or a `sandbox`: the kernel keeps these only from processes that can gain no privileges");
    }
    read
}

fn octal(text: &str) -> Result<u32, String> {
    let number = u32::from_str_radix(text, 8)
        .ok()
        .filter(|number| *number <= 0o777 && text.len() <= 4);
    number.ok_or_else(|| {
        format!(
            "found \"{}\"; accepted are octal digits such as \"027\"",
            text.escape_debug()
        )
    })
}

/// Reads `sha256`: 64 hexadecimal digits.
pub fn sha256(table: &Table<'_>) -> Option<[u8; 32]> {
    table.item("sha256")?.parsed(|text| {
        let mut digest = [0; 32];
        let digits = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        for (at, byte) in digest.iter_mut().enumerate() {
            *byte = text
                .get(2 * at..2 * at + 2)
                .and_then(|pair| u8::from_str_radix(pair, 16).ok())
                .unwrap_or(0);
        }

        if digits {
            Ok(digest)
        } else {
            Err("is no SHA-256: 64 hexadecimal digits, as `sha256sum` prints them".into())
        }
    })
}

/// Reads `linger` and `leave_running`.
pub fn after(table: &Table<'_>) -> (std::time::Duration, bool) {
    let leave = table.flag("leave_running").unwrap_or(false);
    if leave && has(table, "linger") {
        table.fault(
            "has `linger` and `leave_running`; what is left running is not killed after a while",
        );
    }

    (
        table
            .item("linger")
            .and_then(|item| window(&item))
            .unwrap_or(crate::limits::LINGER),
        leave,
    )
}
