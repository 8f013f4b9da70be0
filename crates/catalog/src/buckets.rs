//! Buckets: names, retention and shard group durations, and which of them belong to the system.
//!
//! The rules are those of InfluxDB 2.9 unless a comment says otherwise. Points are none of this module's business.

use std::sync::Arc;
use std::time::Duration;

use crate::catalog::Catalog;
use crate::error::CatalogError;
use crate::id::{BucketId, IdGenerator, OrganisationId};
use crate::image::{Change, Image};
use crate::mappings::MappedResource;
use crate::organisations::{seen, unmap};
use crate::page::Page;
use crate::time::duration_ns;
use crate::words::words;

/// The least retention, apart from keeping points for ever.
pub const RETENTION_MIN: Duration = Duration::from_hours(1);

/// The least shard group duration; a shorter one is raised to it.
pub const SHARD_GROUP_DURATION_MIN: Duration = Duration::from_hours(1);

words! {
    /// Who made a bucket.
    pub enum BucketType, unknown is BucketType {
        /// A user.
        User = "user",
        /// The server, together with the organisation.
        System = "system",
    }
}

/// A bucket: what points are written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// Its id.
    pub id: BucketId,
    /// The organisation that owns it.
    pub organisation_id: OrganisationId,
    /// Its name, unique in the organisation.
    pub name: String,
    /// Free text, possibly empty.
    pub description: String,
    /// Who made it.
    pub bucket_type: BucketType,
    /// How long points are kept; zero for ever.
    pub retention: Duration,
    /// The length of a shard group in InfluxDB. Kept because clients read it back.
    pub shard_group_duration: Duration,
    /// Nanoseconds since 1970.
    pub created_at_ns: i64,
    /// Nanoseconds since 1970.
    pub updated_at_ns: i64,
}

impl Bucket {
    /// How long points are kept, in nanoseconds; `None` for ever.
    #[must_use]
    pub fn retention_ns(&self) -> Option<i64> {
        if self.retention.is_zero() { None } else { Some(duration_ns(self.retention)) }
    }
}

/// A bucket to create.
#[derive(Debug, Clone)]
pub struct NewBucket {
    /// The organisation that will own it.
    pub organisation_id: OrganisationId,
    /// Its name.
    pub name: String,
    /// Free text, possibly empty.
    pub description: String,
    /// How long points are kept; zero for ever.
    pub retention: Duration,
    /// `None` or zero for the default of the retention.
    pub shard_group_duration: Option<Duration>,
}

/// Which buckets to list; each part that is given narrows the list.
#[derive(Debug, Clone, Default)]
pub struct BucketFilter {
    /// This one.
    pub id: Option<BucketId>,
    /// Those of this organisation.
    pub organisation_id: Option<OrganisationId>,
    /// Those of this name.
    pub name: Option<String>,
}

/// What to change of a bucket; `None` stays.
#[derive(Debug, Clone, Default)]
pub struct BucketUpdate {
    /// The new name.
    pub name: Option<String>,
    /// The new description.
    pub description: Option<String>,
    /// The new retention; zero for ever.
    pub retention: Option<Duration>,
    /// The new shard group duration; zero for the default of the retention.
    pub shard_group_duration: Option<Duration>,
}

impl Catalog {
    /// Creates a bucket of type user.
    ///
    /// # Errors
    /// The organisation does not exist; the name is empty, reserved, has a quotation mark or is taken; the durations
    /// break a rule; or the database failed.
    pub async fn create_bucket(&self, new: NewBucket) -> Result<Arc<Bucket>, CatalogError> {
        self.commit(|image| {
            if !image.organisations.contains_key(&new.organisation_id) {
                return Err(CatalogError::OrganisationNotFound);
            }
            let bucket = Arc::new(new_bucket(image, self.ids(), self.now_ns(), new)?);
            Ok((vec![Change::PutBucket(Arc::clone(&bucket))], bucket))
        })
        .await
    }

    /// All buckets, those of the system included, with the names of their organisations.
    #[must_use]
    pub fn buckets_with_organisations(&self) -> Vec<(Arc<Bucket>, String)> {
        let image = self.image();
        let named = |bucket: &Arc<Bucket>| {
            let organisation = image.organisations.get(&bucket.organisation_id);
            (Arc::clone(bucket), organisation.map(|organisation| organisation.name.clone()).unwrap_or_default())
        };
        image.buckets.values().map(named).collect()
    }

    /// The bucket of an id.
    ///
    /// # Errors
    /// [`CatalogError::BucketNotFound`].
    pub fn find_bucket(&self, id: BucketId) -> Result<Arc<Bucket>, CatalogError> {
        self.image().buckets.get(&id).cloned().ok_or(CatalogError::BucketNotFound)
    }

    /// The bucket of a name in an organisation.
    ///
    /// # Errors
    /// [`CatalogError::BucketNameNotFound`].
    pub fn find_bucket_by_name(&self, organisation: OrganisationId, name: &str) -> Result<Arc<Bucket>, CatalogError> {
        let found = self.image().bucket_by_name(organisation, name).cloned();
        found.ok_or_else(|| CatalogError::BucketNameNotFound { name: name.to_owned() })
    }

    /// The buckets that the filter and `visible` let through, one page of them by id.
    ///
    /// # Errors
    /// The limit is out of range; the id, or the name in the given organisation, is unknown or not visible (InfluxDB
    /// answers 404 there, and an empty list to a name without an organisation).
    pub fn list_buckets(
        &self,
        filter: &BucketFilter,
        page: &Page,
        visible: impl Fn(&Bucket) -> bool,
    ) -> Result<Vec<Arc<Bucket>>, CatalogError> {
        page.check()?;
        if let Some(id) = filter.id {
            self.find_bucket(id).and_then(|found| seen(found, &visible, CatalogError::BucketNotFound))?;
        }
        if let (Some(organisation_id), Some(name)) = (filter.organisation_id, &filter.name) {
            let hidden = CatalogError::BucketNameNotFound { name: name.clone() };
            self.find_bucket_by_name(organisation_id, name).and_then(|found| seen(found, &visible, hidden))?;
        }
        let matches = |bucket: &&Arc<Bucket>| {
            filter.id.is_none_or(|id| id == bucket.id)
                && filter.organisation_id.is_none_or(|id| id == bucket.organisation_id)
                && filter.name.as_ref().is_none_or(|name| *name == bucket.name)
        };
        // `visible` is not ours and may look something up: it is called without the lock.
        let matching: Vec<_> = self.image().buckets.values().filter(matches).cloned().collect();
        Ok(page.cut(matching.into_iter().filter(|bucket| visible(bucket)), |bucket| bucket.id.get()))
    }

    /// All buckets, for the parts of the server that start from what exists.
    #[must_use]
    pub fn all_buckets(&self) -> Vec<Arc<Bucket>> {
        self.image().buckets.values().cloned().collect()
    }

    /// Changes a bucket.
    ///
    /// # Errors
    /// It does not exist; it belongs to the system and the name differs; the new name or the durations break a rule; or
    /// the database failed.
    pub async fn update_bucket(&self, id: BucketId, update: BucketUpdate) -> Result<Arc<Bucket>, CatalogError> {
        self.commit(|image| {
            let before = image.buckets.get(&id).ok_or(CatalogError::BucketNotFound)?;
            let after = Arc::new(updated_bucket(image, before, update, self.now_ns())?);
            Ok((vec![Change::PutBucket(Arc::clone(&after))], after))
        })
        .await
    }

    /// Deletes a bucket. Its points are still there and have to be dropped by the caller.
    ///
    /// # Errors
    /// It does not exist, belongs to the system, or the database failed.
    pub async fn delete_bucket(&self, id: BucketId) -> Result<(), CatalogError> {
        self.commit(|image| {
            let bucket = image.buckets.get(&id).ok_or(CatalogError::BucketNotFound)?;
            if bucket.bucket_type == BucketType::System {
                return Err(CatalogError::SystemBucketDeleted);
            }
            let mut changes = unmap(image, MappedResource::bucket(id));
            changes.extend(crate::labels::removals(image, MappedResource::bucket(id)));
            changes.extend(crate::caches::removals(image, id));
            changes.extend(crate::dbrp::removals(image, |dbrp| dbrp.bucket_id == id));
            changes.push(Change::RemoveBucket(id));
            changes.push(Change::PutDroppedBucket(id, bucket.organisation_id));
            Ok((changes, ()))
        })
        .await
    }

    /// Deleted buckets whose points were not dropped yet, as far as [`Self::forget_dropped_bucket`] was told.
    #[must_use]
    pub fn dropped_buckets(&self) -> Vec<(OrganisationId, BucketId)> {
        self.image().dropped_buckets.iter().map(|(bucket, organisation)| (*organisation, *bucket)).collect()
    }

    /// Notes that the points of a deleted bucket are gone for good. Nothing happens if that is known.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn forget_dropped_bucket(&self, id: BucketId) -> Result<(), CatalogError> {
        self.commit(|image| {
            let known = image.dropped_buckets.contains_key(&id);
            Ok((known.then_some(Change::RemoveDroppedBucket(id)).into_iter().collect(), ()))
        })
        .await
    }
}

/// The bucket to be created, with an id.
pub(crate) fn new_bucket(
    image: &Image,
    ids: &IdGenerator,
    now_ns: i64,
    new: NewBucket,
) -> Result<Bucket, CatalogError> {
    check_name(image, new.organisation_id, &new.name)?;
    let retention = checked_retention(new.retention)?;
    let shard_group_duration = shard_group_duration(new.shard_group_duration.unwrap_or_default(), retention);
    if !fits(shard_group_duration, retention) {
        return Err(CatalogError::ShardGroupLongerThanRetention);
    }
    Ok(Bucket {
        id: ids.next(),
        organisation_id: new.organisation_id,
        name: new.name,
        description: new.description,
        bucket_type: BucketType::User,
        retention,
        shard_group_duration,
        created_at_ns: now_ns,
        updated_at_ns: now_ns,
    })
}

/// The two buckets that every organisation starts with.
pub(crate) fn system_buckets(ids: &IdGenerator, now_ns: i64, organisation_id: OrganisationId) -> [Bucket; 2] {
    let bucket = |name: &str, description: &str, retention: Duration| Bucket {
        id: ids.next(),
        organisation_id,
        name: name.to_owned(),
        description: description.to_owned(),
        bucket_type: BucketType::System,
        retention,
        shard_group_duration: shard_group_duration(Duration::ZERO, retention),
        created_at_ns: now_ns,
        updated_at_ns: now_ns,
    };
    [
        bucket("_tasks", "System bucket for task logs", Duration::from_hours(72)),
        bucket("_monitoring", "System bucket for monitoring logs", Duration::from_hours(168)),
    ]
}

fn updated_bucket(image: &Image, before: &Bucket, update: BucketUpdate, now_ns: i64) -> Result<Bucket, CatalogError> {
    let mut after = before.clone();
    if let Some(name) = update.name
        && name != before.name
    {
        if before.bucket_type == BucketType::System {
            return Err(CatalogError::SystemBucketRenamed);
        }
        check_name(image, before.organisation_id, &name)?;
        after.name = name;
    }
    after.description = update.description.unwrap_or(after.description);
    after.retention = checked_retention(update.retention.unwrap_or(before.retention))?;
    if let Some(duration) = update.shard_group_duration {
        after.shard_group_duration = shard_group_duration(duration, after.retention);
    }
    if !fits(after.shard_group_duration, after.retention) {
        return Err(match update.shard_group_duration {
            Some(_) => CatalogError::ShardGroupLongerThanRetention,
            None => CatalogError::ShardGroupNotUpdated,
        });
    }
    after.updated_at_ns = now_ns;
    Ok(after)
}

fn check_name(image: &Image, organisation_id: OrganisationId, name: &str) -> Result<(), CatalogError> {
    let name_of_error = || name.to_owned();
    if name.trim().is_empty() {
        Err(CatalogError::BucketNameEmpty)
    } else if name.starts_with('_') {
        Err(CatalogError::BucketNameUnderscore { name: name_of_error() })
    } else if name.contains('"') {
        Err(CatalogError::BucketNameQuote { name: name_of_error() })
    } else if image.bucket_by_name(organisation_id, name).is_some() {
        Err(CatalogError::BucketExists { name: name_of_error() })
    } else {
        Ok(())
    }
}

/// The retention, held at the 292 years that fit into a column. InfluxDB answers 500 to one that is too short.
fn checked_retention(retention: Duration) -> Result<Duration, CatalogError> {
    if !retention.is_zero() && retention < RETENTION_MIN {
        return Err(CatalogError::RetentionTooShort);
    }
    Ok(retention.min(LONGEST))
}

/// The given duration, at least an hour; for zero the default: an hour for less than 48 hours of retention, a day for
/// less than 180 days, otherwise a week.
fn shard_group_duration(given: Duration, retention: Duration) -> Duration {
    const HOUR: Duration = Duration::from_hours(1);
    if !given.is_zero() {
        return given.clamp(SHARD_GROUP_DURATION_MIN, LONGEST);
    }
    if retention.is_zero() || retention >= HOUR * 24 * 180 {
        HOUR * 24 * 7
    } else if retention < HOUR * 48 {
        HOUR
    } else {
        HOUR * 24
    }
}

/// Whether a shard group lives no longer than its points.
fn fits(shard_group_duration: Duration, retention: Duration) -> bool {
    retention.is_zero() || shard_group_duration <= retention
}

/// The longest duration that a BIGINT of nanoseconds holds.
const LONGEST: Duration = Duration::from_nanos(i64::MAX.cast_unsigned());

#[cfg(test)]
mod tests;
