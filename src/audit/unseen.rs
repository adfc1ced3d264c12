//! What somebody who holds the trail's key can change without a fault: the list that TRAIL.md prints
//! and that the tests hold against every change of a trail.

/// Changes of a trail, chained and signed anew by whoever holds its key, that are no fault.
#[derive(Debug, Clone, Copy)]
pub struct Unseen {
    /// The records that are changed.
    pub records: &'static str,
    /// The fields that are changed; none where it is about whole records.
    pub fields: &'static [&'static str],
    /// What is done: each of these.
    pub changes: &'static [&'static str],
    /// The count by which it shows; empty where nothing shows it.
    pub counted: &'static str,
}

const fn unseen(
    records: &'static str,
    fields: &'static [&'static str],
    changes: &'static [&'static str],
    counted: &'static str,
) -> Unseen {
    Unseen {
        records,
        fields,
        changes,
        counted,
    }
}

const CHANGED: &[&str] = &["changed", "removed"];
const ADDED_TOO: &[&str] = &["added", "changed", "removed"];
const GONE: &[&str] = &["removed", "made another kind"];
const ALL: &[&str] = &["removed", "made another kind", "doubled"];

/// The whole list.
pub const UNSEEN: &[Unseen] = &[
    unseen("any record", &["time"], CHANGED, ""),
    // What takes more than one record.
    unseen("the records at the end", &[], &["removed"], ""),
    unseen(
        "the records at the beginning",
        &[],
        &["removed, behind a `removed` that is added"],
        "unknown_sessions",
    ),
    unseen(
        "a session of a key that the forger has made",
        &[],
        &["added, with requests and runs"],
        "",
    ),
    unseen(
        "a whole session, from its login to its logout",
        &[],
        &["removed"],
        "",
    ),
    unseen(
        "the last requests of a session, with all records of the runs that they began",
        &[],
        &["removed"],
        "",
    ),
    unseen(
        "a request that was refused",
        &[],
        &["told as granted, with all that belongs to a run"],
        "",
    ),
    unseen(
        "a granted request that began no run",
        &[],
        &["told as refused"],
        "",
    ),
    unseen(
        "a run without request",
        &[],
        &["added, behind a `gap` that is added too"],
        "unknown_runs",
    ),
    unseen(
        "the source or the connection of a session",
        &[],
        &["changed in all its records"],
        "",
    ),
    unseen(
        "two neighbours of no common session or run",
        &[],
        &["exchanged"],
        "",
    ),
    // Logins.
    unseen(
        "`login`, refused",
        &["user", "source", "connection", "method", "reason"],
        CHANGED,
        "",
    ),
    unseen(
        "`login`, refused",
        &[
            "by",
            "kept",
            "signature",
            "key_signature",
            "gathered_index",
            "gathered_count",
            "gathered_path",
        ],
        &["added"],
        "",
    ),
    unseen("`login`, refused", &[], ALL, ""),
    unseen("`logout`", &["reason"], ADDED_TOO, ""),
    unseen("`logout`", &[], GONE, "without_logout"),
    // Requests.
    unseen("`request`, granted", &["rule"], CHANGED, ""),
    unseen("`request`, granted, with an argv", &["rule"], CHANGED, ""),
    unseen(
        "`request`, granted, with an argv",
        &["run_as"],
        &["changed"],
        "",
    ),
    unseen(
        "`request`, granted, with an argv",
        &["argv"],
        &[
            "changed in a word of the configuration",
            "changed in the word of a flag",
        ],
        "",
    ),
    unseen(
        "`request`, granted, with an argv",
        &["holes"],
        &["removed", "emptied in the one word of an argument"],
        "unshown",
    ),
    unseen(
        "`request`, granted, with an argv",
        &[],
        &["`holes` removed and `argv` changed"],
        "unshown",
    ),
    unseen("`request`, granted, of a transfer", &["rule"], CHANGED, ""),
    unseen(
        "`request`, granted, of a transfer",
        &["run_as"],
        &["changed"],
        "",
    ),
    unseen("`request`, refused", &["rule"], CHANGED, ""),
    unseen("`request`, refused", &["code", "text"], &["changed"], ""),
    unseen("`request`, the last of its session", &[], GONE, ""),
    unseen("`request`, any other", &[], GONE, "skipped"),
    unseen(
        "`request` without its text",
        &[
            "user",
            "source",
            "connection",
            "command",
            "rule",
            "signature",
        ],
        CHANGED,
        "",
    ),
    unseen("`request` without its text", &["text"], &["changed"], ""),
    unseen("`request` without its text", &[], ALL, "withheld"),
    unseen(
        "`request`, not read",
        &[
            "user",
            "source",
            "connection",
            "rule",
            "signed",
            "signature",
        ],
        CHANGED,
        "",
    ),
    unseen("`request`, not read", &["code", "text"], &["changed"], ""),
    unseen(
        "`request`, not read",
        &["command", "root", "path"],
        &["added"],
        "",
    ),
    unseen("`request`, not read", &[], ALL, "unread"),
    // Runs.
    unseen("`start`", &["pid"], CHANGED, ""),
    unseen("`start`", &["folder"], &["added"], ""),
    unseen("`start` of a put", &["pid", "folder"], CHANGED, ""),
    unseen("`start`", &[], GONE, "without_start"),
    unseen("`end`", &["reason"], CHANGED, ""),
    unseen("`end`", &["any other field"], ADDED_TOO, ""),
    unseen("`end`", &[], GONE, "without_end"),
    unseen("`end` of a put", &["reason", "number"], CHANGED, ""),
    unseen("`end` of a put", &["any other field"], ADDED_TOO, ""),
    unseen("`end` of a put", &[], GONE, "without_end"),
    unseen(
        "`end`, `not-started`",
        &["reason"],
        CHANGED,
        "without_start",
    ),
    unseen("`end`, `not-started`", &["any other field"], ADDED_TOO, ""),
    unseen("`end`, `not-started`", &[], GONE, "without_end"),
    unseen("`start` of a run without request", &["pid"], CHANGED, ""),
    unseen(
        "`start` of a run without request",
        &["folder"],
        &["added"],
        "",
    ),
    unseen(
        "`start` of a run without request",
        &[],
        GONE,
        "without_start",
    ),
    unseen(
        "`end` of a run without request",
        &["user", "command", "reason"],
        CHANGED,
        "",
    ),
    unseen(
        "`end` of a run without request",
        &["any other field"],
        ADDED_TOO,
        "",
    ),
    unseen("`end` of a run without request", &[], GONE, "without_end"),
    unseen("`handed-on`", &["input_cut"], CHANGED, ""),
    unseen("`handed-on`", &[], ALL, ""),
    unseen("`executable`", &["path"], CHANGED, ""),
    unseen("`executable`", &[], ALL, ""),
    // What no user signs.
    unseen("`started`", &["any field"], CHANGED, ""),
    unseen("`started`", &[], ALL, ""),
    unseen("`gap`", &["missed"], &["changed"], ""),
    unseen("`gap`", &[], &["doubled"], ""),
    unseen("`checkpoint`", &[], &["removed", "doubled"], ""),
    unseen(
        "`removed`, of a file that is there",
        &["file", "before_hash", "last_hash", "why"],
        CHANGED,
        "",
    ),
    unseen(
        "`removed`, of a file that is there",
        &["first", "last"],
        &["changed"],
        "",
    ),
    unseen("`removed`, of a file that is there", &[], ALL, ""),
    unseen("every other kind", &["any field"], CHANGED, ""),
    unseen("every other kind", &[], ALL, ""),
];

/// The list as a table in Markdown, for TRAIL.md.
pub fn unseen_table() -> String {
    let mut table = String::from("| records | what is done to them | seen in |\n|---|---|---|\n");
    for row in UNSEEN {
        let fields: Vec<String> = row
            .fields
            .iter()
            .map(|field| match field.contains(' ') {
                true => (*field).to_owned(),
                false => format!("`{field}`"),
            })
            .collect();
        let of = if fields.is_empty() { "" } else { ": " };
        let counted = match row.counted {
            "" => "nothing".to_owned(),
            name => format!("the count `{name}`"),
        };
        table.push_str(&format!(
            "| {} | {}{of}{} | {counted} |\n",
            row.records,
            fields.join(", "),
            row.changes.join("; ")
        ));
    }
    table
}
