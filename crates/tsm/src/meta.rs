//! `meta.db` of 1.x: databases, retention policies, continuous queries and users, as one message of Protocol Buffers.
//! Password hashes stay where they are.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use crate::codec::varint;
use crate::error::{Damage, ReadError};
use crate::limits::META_BYTES_MAX;

/// What the file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Meta {
    /// Its databases.
    pub databases: Vec<Database>,
    /// Its users.
    pub users: Vec<User>,
}

/// A database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Database {
    /// Its name.
    pub name: String,
    /// The retention policy that is meant where none is named.
    pub default_retention_policy: String,
    /// All of them.
    pub retention_policies: Vec<RetentionPolicy>,
    /// Its continuous queries.
    pub continuous_queries: Vec<ContinuousQuery>,
}

/// A retention policy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RetentionPolicy {
    /// Its name.
    pub name: String,
    /// How long points stay, in nanoseconds; 0 is for ever.
    pub duration_ns: i64,
    /// What a group of shards spans, in nanoseconds.
    pub shard_duration_ns: i64,
}

/// A continuous query.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContinuousQuery {
    /// Its name.
    pub name: String,
    /// The statement that makes it.
    pub query: String,
}

/// A user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct User {
    /// The name.
    pub name: String,
    /// Whether everything is allowed.
    pub is_admin: bool,
    /// Databases, and whether they may be read and written.
    pub privileges: Vec<(String, bool, bool)>,
}

impl Meta {
    /// Reads the file.
    ///
    /// # Errors
    /// The system refuses, or the file is damaged.
    pub fn read(path: &Path) -> Result<Self, ReadError> {
        let failed = |source| ReadError::io(path, source);
        let mut bytes = Vec::new();
        File::open(path).map_err(failed)?.take(META_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > META_BYTES_MAX {
            return Err(ReadError::damaged(path, META_BYTES_MAX, Damage::TooLarge));
        }
        Self::decode(&bytes).map_err(|damage| ReadError::damaged(path, 0, damage))
    }

    /// Reads its bytes.
    ///
    /// # Errors
    /// They are no such message.
    pub fn decode(bytes: &[u8]) -> Result<Self, Damage> {
        let mut meta = Self::default();
        fields(bytes, |number, field| {
            match (number, field) {
                (5, Field::Bytes(bytes)) => meta.databases.push(database(bytes)?),
                (6, Field::Bytes(bytes)) => meta.users.push(user(bytes)?),
                _ => {}
            }
            Ok(())
        })?;
        Ok(meta)
    }
}

fn database(bytes: &[u8]) -> Result<Database, Damage> {
    let mut database = Database::default();
    fields(bytes, |number, field| {
        match (number, field) {
            (1, Field::Bytes(bytes)) => database.name = text(bytes)?,
            (2, Field::Bytes(bytes)) => database.default_retention_policy = text(bytes)?,
            (3, Field::Bytes(bytes)) => database.retention_policies.push(retention_policy(bytes)?),
            (4, Field::Bytes(bytes)) => {
                let mut query = ContinuousQuery::default();
                fields(bytes, |number, field| {
                    match (number, field) {
                        (1, Field::Bytes(bytes)) => query.name = text(bytes)?,
                        (2, Field::Bytes(bytes)) => query.query = text(bytes)?,
                        _ => {}
                    }
                    Ok(())
                })?;
                database.continuous_queries.push(query);
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(database)
}

fn retention_policy(bytes: &[u8]) -> Result<RetentionPolicy, Damage> {
    let mut policy = RetentionPolicy::default();
    fields(bytes, |number, field| {
        match (number, field) {
            (1, Field::Bytes(bytes)) => policy.name = text(bytes)?,
            (2, Field::Number(value)) => policy.duration_ns = value as i64,
            (3, Field::Number(value)) => policy.shard_duration_ns = value as i64,
            _ => {}
        }
        Ok(())
    })?;
    Ok(policy)
}

fn user(bytes: &[u8]) -> Result<User, Damage> {
    let mut user = User::default();
    fields(bytes, |number, field| {
        match (number, field) {
            (1, Field::Bytes(bytes)) => user.name = text(bytes)?,
            (3, Field::Number(value)) => user.is_admin = value != 0,
            (4, Field::Bytes(bytes)) => {
                let (mut database, mut privilege) = (String::new(), 0);
                fields(bytes, |number, field| {
                    match (number, field) {
                        (1, Field::Bytes(bytes)) => database = text(bytes)?,
                        (2, Field::Number(value)) => privilege = value,
                        _ => {}
                    }
                    Ok(())
                })?;
                // 1 reads, 2 writes, 3 does both.
                user.privileges.push((database, privilege & 1 != 0, privilege & 2 != 0));
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(user)
}

fn text(bytes: &[u8]) -> Result<String, Damage> {
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| Damage::Key)
}

/// A field of a message.
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

fn fields(mut bytes: &[u8], mut take: impl FnMut(u64, Field<'_>) -> Result<(), Damage>) -> Result<(), Damage> {
    while !bytes.is_empty() {
        let (tag, rest) = varint(bytes)?;
        bytes = match tag & 7 {
            0 => {
                let (value, rest) = varint(rest)?;
                take(tag >> 3, Field::Number(value))?;
                rest
            }
            1 => rest.get(8..).ok_or(Damage::Short)?,
            2 => {
                let (length, rest) = varint(rest)?;
                let length = usize::try_from(length).map_err(|_| Damage::Short)?;
                let (inside, rest) = rest.split_at_checked(length).ok_or(Damage::Short)?;
                take(tag >> 3, Field::Bytes(inside))?;
                rest
            }
            5 => rest.get(4..).ok_or(Damage::Short)?,
            other => return Err(Damage::Type(other as u8)),
        };
    }
    Ok(())
}
