//! Node sets beside ClusterShell's: of many expressions made by chance, the sets are the same, and
//! so are the folds. It needs Python with ClusterShell (`pip install ClusterShell`), and is skipped
//! where there is none. `ORDAIN_EXPRESSIONS=100000` for more.

use ordain::nodes::{NoGroups, NodeSet, Wrong};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

const EXPRESSIONS: usize = 3000;

/// A line for each expression: its fold and its names, or why it is none.
const CLUSTERSHELL: &str = r#"
import sys
from ClusterShell.NodeSet import NodeSet, RESOLVER_NOGROUP
for line in sys.stdin:
    try:
        nodes = NodeSet(line.rstrip("\n"), resolver=RESOLVER_NOGROUP)
        print("set", str(nodes), *nodes)
    except Exception as fault:
        print("fault", fault)
"#;

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }

    fn of<'w>(&mut self, words: &[&'w str]) -> &'w str {
        words[usize::try_from(self.roll(words.len() as u64)).unwrap()]
    }

    fn number(&mut self) -> u64 {
        match self.roll(4) {
            0 => self.roll(3),
            1 => 8 + self.roll(4),
            2 => 97 + self.roll(6),
            _ => self.roll(25),
        }
    }

    fn range(&mut self) -> String {
        let (from, further) = (self.number(), self.roll(6));
        let last = from + further;
        match self.roll(12) {
            0..=3 => from.to_string(),
            4 => format!("{from:02}"),
            5 => format!("{from:03}"),
            6 => format!("{from:02}-{last:02}"),
            7 => format!("{from:03}-{last:03}"),
            8 => format!("{from}-{}/{}", last + 4, 1 + self.roll(4)),
            9 if self.roll(8) == 0 => format!("{last}-{from}"),
            _ => format!("{from}-{last}"),
        }
    }

    fn bracket(&mut self) -> String {
        let ranges: Vec<String> = (0..=self.roll(3)).map(|_| self.range()).collect();
        format!("[{}]", ranges.join(","))
    }

    /// A part of a name between two others: digits, a number or ranges.
    fn numbers(&mut self) -> String {
        match self.roll(20) {
            0 => self.number().to_string(),
            1 => format!("{}{}", self.roll(3), self.bracket()),
            2 => format!("{}{}", self.bracket(), self.roll(12)),
            3..=5 => format!("{:02}", self.number()),
            _ => self.bracket(),
        }
    }

    fn operand(&mut self) -> String {
        let mut text = String::from(self.of(&["a", "a", "b", "node", ""]));
        for _ in 0..self.roll(4) {
            text.push_str(&self.numbers());
            text.push_str(self.of(&["n", "n", "-", ".x", "_"]));
        }
        if self.roll(4) > 0 {
            text.push_str(&self.numbers());
        }
        if text.starts_with(['-', '.']) || text.is_empty() || text.ends_with(['-', '.']) {
            text.insert(0, 'c');
            text.push('c');
        }
        text
    }

    /// Few places for many points: what does not merge into one product.
    fn points(&mut self) -> String {
        let axes = 2 + self.roll(3);
        let most = 2 + self.roll(4);
        let first = 7 + self.roll(4);
        let point = |dice: &mut Self| {
            let letters = ["r", "n", "s", "b"].into_iter();
            let axes = letters.take(usize::try_from(axes).unwrap());
            axes.map(|letter| format!("{letter}{}", first + dice.roll(most)))
                .collect::<String>()
        };
        let points: Vec<String> = (0..2 + self.roll(40)).map(|_| point(self)).collect();
        points.join(",")
    }

    fn expression(&mut self) -> String {
        let mut text = if self.roll(3) == 0 {
            self.points()
        } else {
            self.operand()
        };
        for _ in 0..self.roll(7) {
            text.push_str(self.of(&[",", ",", ",", "!", "&", "^", " , "]));
            text.push_str(&self.operand());
        }
        text
    }
}

/// What ClusterShell says to each expression.
fn asked(expressions: &[String]) -> Vec<String> {
    let mut python = Command::new("python3")
        .args(["-c", CLUSTERSHELL])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut ask, told) = (python.stdin.take().unwrap(), python.stdout.take().unwrap());
    let text = expressions.join("\n");
    let asking = std::thread::spawn(move || ask.write_all(text.as_bytes()).unwrap());
    let answers: Vec<String> = BufReader::new(told).lines().map(Result::unwrap).collect();
    asking.join().unwrap();
    assert!(python.wait().unwrap().success());
    assert_eq!(answers.len(), expressions.len());
    answers
}

fn is_there() -> bool {
    let status = Command::new("python3")
        .args(["-c", "import ClusterShell"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

/// Digits behind a bracket belong to its numbers. ClusterShell does not take them behind a step, or
/// where the first number is 0.
fn has_digits_behind_a_bracket(text: &str) -> bool {
    let behind = text.split(']').skip(1);
    behind
        .into_iter()
        .any(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

#[test]
fn sets_and_folds_are_those_of_clustershell() {
    if !is_there() {
        println!("skipped: python3 with ClusterShell is not there (pip install ClusterShell)");
        return;
    }
    let count = std::env::var("ORDAIN_EXPRESSIONS").ok();
    let count = count.map_or(EXPRESSIONS, |count| count.parse().unwrap());
    let mut dice = Dice(0x2545_F491_4F6C_DD1D);
    let expressions: Vec<String> = (0..count).map(|_| dice.expression()).collect();
    let answers = asked(&expressions);

    let (mut sets, mut empty, mut refused, mut unlike) = (0, 0, 0, 0);
    for (text, answer) in expressions.iter().zip(&answers) {
        let ours = NodeSet::parse(text, &NoGroups);
        let mut words = answer.split(' ');
        let theirs = (words.next() == Some("set")).then(|| words.next().unwrap());
        match (ours, theirs) {
            (Ok(ours), Some(fold)) => {
                let names: BTreeSet<&str> = ours.iter().map(String::as_str).collect();
                let theirs: BTreeSet<&str> = words.collect();
                assert_eq!(names, theirs, "{text}");
                assert_eq!(ours.fold(), fold, "{text}");
                sets += 1;
            }
            (Err(fault), Some("")) if fault.wrong == Wrong::Nobody => empty += 1,
            (Err(fault), _) if fault.wrong == Wrong::TwoMeanings => unlike += 1,
            (Err(_), None) => refused += 1,
            (Ok(_), None) if has_digits_behind_a_bracket(text) => unlike += 1,
            (Ok(ours), None) => panic!("{text} is {}, but for ClusterShell {answer}", ours.fold()),
            (Err(fault), Some(fold)) => panic!("{text} is {fold} for ClusterShell; {fault}"),
        }
    }
    println!("{sets} sets, {empty} without a name, {refused} refused by both, {unlike} left out");
    assert!(sets * 2 > count, "most expressions are sets");
    assert!(unlike * 10 < count, "few are left out");
}
