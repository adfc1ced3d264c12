//! Points with more than one number, merged into products: `rack[1-4]n[1-16]` out of 64 names.
//!
//! Two products become one where they differ in one number only. Which of many ways is taken is
//! ClusterShell's (its folds are known to people and scripts), but what could merge with a product
//! is looked up and not searched for, so that ten thousand names that do not merge are no matter.

use super::number::Number;
use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeSet, HashMap};
use std::mem;

/// Products that together are these points. Each is a sorted set of numbers for each axis.
pub(super) fn merged(mut points: Vec<Vec<Number>>) -> Vec<Vec<Vec<Number>>> {
    points.sort_unstable();
    points.dedup();
    let mut products: Vec<Product> = points.into_iter().map(Product::of_point).collect();

    // Neighbours first, until nothing changes; then each with all behind it.
    loop {
        products.sort_by(Product::larger_first);
        let before = products.len();
        products = merge_neighbours(products);
        if products.len() == before {
            break;
        }
    }
    loop {
        products.sort_by(Product::larger_first);
        let before = products.len();
        products = merge_with_any_behind(products);
        if products.len() == before {
            break;
        }
    }
    products.into_iter().map(Product::sorted).collect()
}

/// Each product takes in those that follow it, as far as they merge.
fn merge_neighbours(products: Vec<Product>) -> Vec<Product> {
    let mut merged: Vec<Product> = Vec::with_capacity(products.len());
    for product in products {
        match merged.last_mut() {
            Some(last) => {
                if let Some(axis) = last.only_difference(&product) {
                    last.take_in(product, axis);
                } else {
                    merged.push(product);
                }
            }
            None => merged.push(product),
        }
    }
    merged
}

/// Each product takes in what merges with it of all that stand behind, the nearest first.
fn merge_with_any_behind(products: Vec<Product>) -> Vec<Product> {
    // Which products are the same but for one axis, by where they stand.
    let mut alike: HashMap<(usize, Mark), BTreeSet<usize>> = HashMap::new();
    for (place, product) in products.iter().enumerate() {
        for key in product.marks_without() {
            alike.entry(key).or_default().insert(place);
        }
    }

    let mut there: Vec<Option<Product>> = products.into_iter().map(Some).collect();
    let mut merged = Vec::new();
    for place in 0..there.len() {
        let Some(mut product) = there.get_mut(place).and_then(Option::take) else {
            continue;
        };
        let mut behind = place;
        loop {
            let next = product.marks_without().filter_map(|key| {
                let nearest = alike.get(&key)?.range(behind.saturating_add(1)..).next()?;
                Some((*nearest, key.0))
            });
            let Some((found, axis)) = next.min() else {
                break;
            };
            let Some(other) = there.get_mut(found).and_then(Option::take) else {
                break;
            };
            for key in other.marks_without() {
                if let Some(places) = alike.get_mut(&key) {
                    places.remove(&found);
                }
            }
            product.take_in(other, axis);
            behind = found;
        }
        merged.push(product);
    }
    merged
}

/// Stands for a set of numbers: the sum of what each number stands for. That of a union of two
/// sets without a common number is the sum of both, so that a set that grows costs what is added.
/// With 128 bits, two sets that differ are not met that have the same.
type Mark = u128;

/// A set of numbers, in any order.
struct Axis {
    numbers: Vec<Number>,
    first: Number,
    last: Number,
    mark: Mark,
}

/// All points whose numbers are each of one set.
struct Product {
    axes: Vec<Axis>,
    /// The sum of what each set stands for in its place.
    mark: Mark,
}

impl Product {
    fn of_point(point: Vec<Number>) -> Self {
        let axes: Vec<Axis> = point
            .into_iter()
            .map(|number| Axis {
                numbers: vec![number],
                first: number,
                last: number,
                mark: mixed(
                    number.value(),
                    u64::try_from(number.digits()).unwrap_or(u64::MAX),
                ),
            })
            .collect();
        let mark = (0..).zip(&axes).fold(0, |sum: Mark, (place, axis)| {
            sum.wrapping_add(axis.mark_at(place))
        });
        Self { axes, mark }
    }

    /// For each axis, what the others stand for.
    fn marks_without(&self) -> impl Iterator<Item = (usize, Mark)> + '_ {
        let places = (0..).zip(&self.axes);
        places.map(|(place, axis)| (place, self.mark.wrapping_sub(axis.mark_at(place))))
    }

    /// The axis in which alone two products differ.
    fn only_difference(&self, other: &Self) -> Option<usize> {
        let axes = self.axes.iter().zip(&other.axes).enumerate();
        let mut unlike = axes.filter(|(_, (own, other))| own.mark != other.mark);
        let (axis, _) = unlike.next()?;
        unlike.next().is_none().then_some(axis)
    }

    /// Takes in a product that differs in this axis only. As no point is in both, neither is a
    /// number of it.
    fn take_in(&mut self, other: Self, axis: usize) {
        let theirs = other.axes.into_iter().nth(axis);
        let Some((own, mut theirs)) = self.axes.get_mut(axis).zip(theirs) else {
            return;
        };
        self.mark = self.mark.wrapping_sub(own.mark_at(axis));
        // The shorter list is added to the longer one.
        if own.numbers.len() < theirs.numbers.len() {
            mem::swap(own, &mut theirs);
        }
        own.numbers.append(&mut theirs.numbers);
        own.first = own.first.min(theirs.first);
        own.last = own.last.max(theirs.last);
        own.mark = own.mark.wrapping_add(theirs.mark);
        self.mark = self.mark.wrapping_add(own.mark_at(axis));
    }

    /// More points first; then, axis by axis, more numbers, and a first and last one that come
    /// earlier as text.
    fn larger_first(&self, other: &Self) -> Ordering {
        Reverse(self.points())
            .cmp(&Reverse(other.points()))
            .then_with(|| {
                let axes = self.axes.iter().zip(&other.axes);
                axes.map(|(own, other)| own.longer_first(other))
                    .find(|order| order.is_ne())
                    .unwrap_or(Ordering::Equal)
            })
    }

    fn points(&self) -> usize {
        let lengths = self.axes.iter().map(|axis| axis.numbers.len());
        lengths.fold(1, usize::saturating_mul)
    }

    fn sorted(self) -> Vec<Vec<Number>> {
        let sorted = |axis: Axis| {
            let mut numbers = axis.numbers;
            numbers.sort_unstable();
            numbers
        };
        self.axes.into_iter().map(sorted).collect()
    }
}

impl Axis {
    /// What the set stands for at this place in a product.
    fn mark_at(&self, place: usize) -> Mark {
        let place = u64::try_from(place).unwrap_or(u64::MAX);
        let [low, high] = [self.mark, self.mark >> 64].map(low_half);
        mixed(low ^ place.wrapping_mul(0x9E37_79B9_7F4A_7C15), high)
    }

    fn longer_first(&self, other: &Self) -> Ordering {
        Reverse(self.numbers.len())
            .cmp(&Reverse(other.numbers.len()))
            .then_with(|| self.first.compare_as_text(other.first))
            .then_with(|| self.last.compare_as_text(other.last))
    }
}

fn low_half(mark: Mark) -> u64 {
    u64::try_from(mark & Mark::from(u64::MAX)).unwrap_or_default()
}

/// 128 bits that look like chance, out of two numbers.
fn mixed(one: u64, two: u64) -> Mark {
    let low = stirred(stirred(one).wrapping_add(two));
    let high = stirred(stirred(two ^ 0xD1B5_4A32_D192_ED03).wrapping_add(one));
    (Mark::from(high) << 64) | Mark::from(low)
}

/// The finisher of SplitMix64: every bit of its result hangs on every bit of the number.
fn stirred(number: u64) -> u64 {
    let mut bits = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}
