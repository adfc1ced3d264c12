//! Passwords: argon2id hashes, within bounds.

use super::random;
use crate::limits;
use crate::secret::Secret;
use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A password's argon2id hash, parsed and within bounds.
#[derive(Clone)]
pub struct Hash {
    params: Params,
    salt: Vec<u8>,
    output: Vec<u8>,
}

impl Hash {
    /// What tells this hash from every other, and nothing of the password.
    pub fn mark(&self) -> [u8; 32] {
        super::sha256(&[self.salt.as_slice(), self.output.as_slice()].concat())
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "Hash(m={},t={},p={})",
            self.params.m_cost(),
            self.params.t_cost(),
            self.params.p_cost()
        )
    }
}

/// What one verification costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// How often the memory is passed over.
    pub passes: u32,
    /// How many lanes the memory has.
    pub lanes: u32,
}

/// What `ordaind hash-password` uses: OWASP's first recommendation for argon2id.
pub const COST: Cost = Cost {
    memory_kib: 19 * 1024,
    passes: 2,
    lanes: 1,
};

impl Hash {
    /// Reads a PHC string and refuses what could not have been meant.
    ///
    /// # Errors
    /// Why the text is no such hash, in a sentence.
    pub fn read(text: &str) -> Result<Self, String> {
        // Before the string is judged as a whole, so that what is wrong with a parameter is named.
        let named = text.starts_with("$argon2id$").then(|| parameters(text));
        let named = named.transpose()?;
        let phc = PasswordHash::new(text).map_err(|_| {
            "is not a PHC string such as $argon2id$v=19$m=19456,t=2,p=1$…$…".to_owned()
        })?;
        let Some([memory, passes, lanes]) = named else {
            return Err(format!("is {}, only argon2id is accepted", phc.algorithm));
        };
        if memory > limits::ARGON2_MEMORY_KIB {
            return Err(format!(
                "wants m={memory} KiB for one login, at most {} (1 GiB) are accepted",
                limits::ARGON2_MEMORY_KIB
            ));
        }

        if memory == 0 || passes == 0 || lanes == 0 {
            return Err(format!(
                "has m={memory}, t={passes}, p={lanes}; none of them may be 0"
            ));
        }

        if passes > 100 || lanes > 64 {
            return Err(format!(
                "has t={passes}, p={lanes}; more than t=100 or p=64 is absurd"
            ));
        }

        let (Some(salt), Some(output)) = (phc.salt, phc.hash) else {
            return Err("has no salt or no hash".into());
        };
        if salt.len() < 8 || output.len() < 16 {
            return Err("has a salt under 8 or a hash under 16 bytes".into());
        }
        let params = Params::new(memory, passes, lanes, Some(output.len()))
            .map_err(|fault| format!("is not usable: {fault}"))?;
        Ok(Self {
            params,
            salt: salt.as_ref().to_vec(),
            output: output.as_bytes().to_vec(),
        })
    }

    /// A hash that no password has, of the same cost as another: for users who do not exist.
    pub fn nobodys(cost: Cost) -> Option<Self> {
        let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32)).ok()?;
        Some(Self {
            params,
            salt: random::<16>().to_vec(),
            output: random::<32>().to_vec(),
        })
    }

    /// What verifying the password costs.
    pub const fn cost(&self) -> Cost {
        Cost {
            memory_kib: self.params.m_cost(),
            passes: self.params.t_cost(),
            lanes: self.params.p_cost(),
        }
    }

    /// Whether this is the password. The answer takes as long for a wrong one as for the right one.
    pub fn verify(&self, password: &Secret) -> bool {
        let mut output = vec![0; self.output.len()];
        let done = digest(&self.params, password, &self.salt, &mut output);
        done && aws_lc_rs::constant_time::verify_slices_are_equal(&output, &self.output).is_ok()
    }
}

/// `m`, `t` and `p` of an argon2id hash. What stands beside them (`data=`, `keyid=`, another order,
/// no version) would mean another hash than the one that is computed here, so it is a fault.
fn parameters(text: &str) -> Result<[u32; 3], String> {
    const NAMES: [&str; 3] = ["m", "t", "p"];
    let mut fields = text.split('$').skip(2);
    match fields.next().unwrap_or_default() {
        "v=19" => {}
        other if other.starts_with("v=") && !other.contains(',') => {
            return Err("has another version than 19 (0x13)".into());
        }
        _ => {
            return Err(
                "has no v=19 behind argon2id; without a version it is a hash of argon2's version 16, which is not accepted"
                    .into(),
            );
        }
    }

    let pairs = fields.next().unwrap_or_default().split(',');
    let pairs: Vec<(&str, &str)> = pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .collect();
    for (at, (name, _)) in pairs.iter().enumerate() {
        if !NAMES.contains(name) {
            return Err(format!(
                "has the parameter \"{}\", which is not read here; accepted are m, t and p",
                name.escape_debug()
            ));
        }
        if pairs.iter().take(at).any(|(before, _)| before == name) {
            return Err(format!("has the parameter \"{name}\" twice"));
        }
    }

    for name in NAMES {
        if !pairs.iter().any(|(found, _)| *found == name) {
            return Err(format!("has no parameter \"{name}\""));
        }
    }
    let mut numbers = [0; 3];
    for ((number, expected), (name, value)) in numbers.iter_mut().zip(NAMES).zip(&pairs) {
        if *name != expected {
            return Err(format!(
                "has the parameter \"{name}\" where \"{expected}\" belongs; the order is m, t, p"
            ));
        }
        *number = value
            .parse()
            .ok()
            .filter(|number: &u32| number.to_string() == *value)
            .ok_or_else(|| format!("has {name}={}, which is no number", value.escape_debug()))?;
    }

    Ok(numbers)
}

fn digest(params: &Params, password: &Secret, salt: &[u8], output: &mut [u8]) -> bool {
    let mut memory = spare().pop().unwrap_or_default();
    memory.resize(params.block_count(), Block::new());
    let done = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone())
        .hash_password_into_with_memory(password.bytes(), salt, output, &mut memory[..])
        .is_ok();
    spare().push(memory);
    done
}

/// Memory of verifications that are over, kept for the next: asking the kernel for it anew would
/// cost a third of the verification itself. As much as ran at once, until [`forget_memory`].
fn spare() -> MutexGuard<'static, Vec<Vec<Block>>> {
    static SPARE: Mutex<Vec<Vec<Block>>> = Mutex::new(Vec::new());
    SPARE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gives the memory that was kept back to the kernel.
pub fn forget_memory() {
    spare().clear();
}

/// Hashes a password into a PHC string.
///
/// # Errors
/// An empty or overlong password.
pub fn hash_password(password: &Secret, cost: Cost) -> Result<String, String> {
    if password.bytes().is_empty() || password.bytes().len() > limits::PASSWORD {
        return Err(format!("a password has 1 to {} bytes", limits::PASSWORD));
    }
    let unusable = |fault: &dyn fmt::Display| format!("these parameters cannot be used: {fault}");
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32))
        .map_err(|fault| unusable(&fault))?;
    let salt = random::<16>();
    let mut output = [0; 32];
    if !digest(&params, password, &salt, &mut output) {
        return Err("the password could not be hashed".into());
    }
    Ok(PasswordHash {
        algorithm: argon2::ARGON2ID_IDENT,
        version: Some(19),
        params: ParamsString::try_from(&params).map_err(|fault| unusable(&fault))?,
        salt: Some(Salt::new(&salt).map_err(|fault| unusable(&fault))?),
        hash: Some(Output::new(&output).map_err(|fault| unusable(&fault))?),
    }
    .to_string())
}

#[cfg(test)]
#[path = "password_tests.rs"]
mod tests;
