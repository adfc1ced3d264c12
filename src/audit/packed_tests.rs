//! Files that are compressed, compared and read again; bombs, and files that are damaged.

use super::super::{Follower, Lines, rotated_files, rotated_name};
use super::*;
use std::time::{Duration, SystemTime};

fn text(numbers: std::ops::RangeInclusive<u64>) -> String {
    numbers
        .map(|number| format!("{{\"seq\":{number}}}\n"))
        .collect()
}

fn read(path: &Path) -> io::Result<String> {
    let mut found = String::new();
    Content::open(path)?.read_to_string(&mut found)?;
    Ok(found)
}

#[test]
fn a_packed_file_holds_the_same_and_is_as_old() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trail-000000005000.jsonl");
    std::fs::write(&path, text(1..=5000)).unwrap();
    let then = SystemTime::now() - Duration::from_secs(1_000_000);
    File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_modified(then)
        .unwrap();
    pack(&path).unwrap();

    assert!(!path.exists());
    let packed = packed_name(&path);
    let meta = std::fs::metadata(&packed).unwrap();
    assert_eq!(meta.modified().unwrap(), then);
    assert!(meta.len() < 20_000, "{}", meta.len());
    assert_eq!(std::os::unix::fs::MetadataExt::mode(&meta) & 0o777, 0o600);
    assert_eq!(read(&packed).unwrap(), text(1..=5000));
    assert_eq!(
        read(&path).unwrap(),
        text(1..=5000),
        "by the name of before"
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_crash_at_any_step_leaves_the_file_and_the_rest_is_done_again() {
    let folder = tempfile::tempdir().unwrap();
    let trail = folder.path().join("trail.jsonl");
    let path = rotated_name(&trail, 3);
    // While it was written.
    std::fs::write(&path, text(1..=3)).unwrap();
    std::fs::write(
        folder.path().join(".trail-000000000003.jsonl.packing"),
        "half",
    )
    .unwrap();
    assert_eq!(rotated_files(&trail).unwrap(), [(3, path.clone())]);
    pack(&path).unwrap();

    // Before the file was removed: it counts once.
    std::fs::write(&path, text(1..=3)).unwrap();
    assert_eq!(rotated_files(&trail).unwrap(), [(3, path.clone())]);
    pack(&path).unwrap();
    assert_eq!(rotated_files(&trail).unwrap(), [(3, packed_name(&path))]);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);

    // Another file of that name: neither is touched.
    for other in [text(1..=2), text(1..=4), String::new()] {
        std::fs::write(&path, &other).unwrap();
        let fault = pack(&path).unwrap_err();
        assert!(
            fault.to_string().contains("holds something else"),
            "{fault}"
        );
        assert_eq!(read(&packed_name(&path)).unwrap(), text(1..=3));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), other);
    }
}

#[test]
fn a_trail_is_followed_through_files_of_both_kinds() {
    let folder = tempfile::tempdir().unwrap();
    let trail = folder.path().join("trail.jsonl");
    std::fs::write(&trail, text(1..=2)).unwrap();
    let mut early = Follower::behind(trail.clone(), 0);
    let next = |follower: &mut Follower| -> Vec<u64> {
        std::iter::from_fn(|| follower.next_record().unwrap().map(|(number, _)| number)).collect()
    };
    assert_eq!(next(&mut early), [1, 2]);
    for (last, numbers) in [(4, 3..=4), (6, 5..=6)] {
        let mut whole = std::fs::read_to_string(&trail).unwrap();
        whole.push_str(&text(numbers));
        std::fs::write(&trail, whole).unwrap();
        std::fs::rename(&trail, rotated_name(&trail, last)).unwrap();
        pack(&rotated_name(&trail, last)).unwrap();
        std::fs::write(&trail, "").unwrap();
    }
    std::fs::write(&trail, text(7..=7)).unwrap();
    assert_eq!(next(&mut early), [3, 4, 5, 6, 7]);
    assert_eq!(next(&mut Follower::behind(trail.clone(), 3)), [4, 5, 6, 7]);

    // One that is damaged is told of, once, and does not stand in the way.
    let damaged = packed_name(&rotated_name(&trail, 4));
    let bytes = std::fs::read(&damaged).unwrap();
    std::fs::write(&damaged, &bytes[..bytes.len() - 6]).unwrap();
    let mut follower = Follower::behind(trail, 0);
    let found: Vec<_> = (0..5)
        .filter_map(|_| follower.next_record().ok().flatten())
        .map(|(number, _)| number)
        .collect();
    assert!(found.ends_with(&[5, 6, 7]), "{found:?}");
}

#[test]
fn a_bomb_is_read_without_much_memory_and_not_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trail-000000000001.jsonl.zst");
    let mut encoder = Encoder::new(File::create(&path).unwrap(), 3).unwrap();
    let zeros = vec![b' '; 1 << 20];
    for _ in 0..512 {
        encoder.write_all(&zeros).unwrap();
    }
    encoder.finish().unwrap();
    let size = std::fs::metadata(&path).unwrap().len();
    let mut lines = Lines::open(&path).unwrap();
    let fault = lines.next_line().unwrap_err();
    assert!(size * UNPACKED < 512 << 20, "{size}");
    assert!(
        fault.to_string().contains("more than a trail can"),
        "{fault}"
    );

    // One that wants a gigabyte of memory for what came before.
    let mut encoder = Encoder::new(File::create(&path).unwrap(), 1).unwrap();
    encoder.window_log(30).unwrap();
    encoder.write_all(&zeros).unwrap();
    encoder.finish().unwrap();
    let fault = Lines::open(&path).unwrap().next_line().unwrap_err();
    assert!(fault.to_string().contains("cannot be unpacked"), "{fault}");
}

#[test]
fn what_is_damaged_is_a_failure_and_no_shorter_trail() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trail-000000000900.jsonl");
    std::fs::write(&path, text(1..=900)).unwrap();
    pack(&path).unwrap();
    let packed = packed_name(&path);
    let bytes = std::fs::read(&packed).unwrap();
    for length in [5, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(&packed, &bytes[..length]).unwrap();
        assert!(read(&packed).is_err(), "{length}");
    }
    for at in (4..bytes.len()).step_by(7) {
        let mut changed = bytes.clone();
        changed[at] ^= 4;
        std::fs::write(&packed, &changed).unwrap();
        assert!(read(&packed).is_ok_and(|found| found != text(1..=900)) || read(&packed).is_err());
    }
}
