//! Everything in the database, in memory: the maps that answer all look-ups, and the changes that keep them and SQL
//! the same.
//!
//! A [`Change`] has two halves, `sql::write` and [`Image::apply`]; both run in one critical section. The image is as
//! large as the database and has no limit of its own. No rules here: who makes changes has checked them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::authorizations::Authorization;
use crate::buckets::Bucket;
use crate::caches::Cache;
use crate::continuous_queries::ContinuousQuery;
use crate::dbrp::Dbrp;
use crate::documents::{Document, DocumentKind};
use crate::id::{AuthorizationId, BucketId, CacheId, DbrpId, DocumentId, JobId, OrganisationId, UserId, V1UserId};
use crate::jobs::{Job, JobRun};
use crate::mappings::{MappedResource, Role};
use crate::organisations::Organisation;
use crate::secret::SecretDigest;
use crate::sessions::Session;
use crate::users::User;
use crate::v1_users::{V1Privilege, V1User};

/// One row that is written or removed. Rows that others refer to are removed after those.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    PutOrganisation(Arc<Organisation>),
    RemoveOrganisation(OrganisationId),
    PutBucket(Arc<Bucket>),
    RemoveBucket(BucketId),
    /// The storage engine has yet to drop the points of a bucket that is removed.
    PutDroppedBucket(BucketId, OrganisationId),
    RemoveDroppedBucket(BucketId),
    PutUser(Arc<User>),
    RemoveUser(UserId),
    /// The PHC string of an argon2id hash.
    PutPassword(UserId, Arc<str>),
    RemovePassword(UserId),
    PutSession(Arc<Session>),
    RemoveSession(SecretDigest),
    PutAuthorization(Arc<Authorization>),
    RemoveAuthorization(AuthorizationId),
    PutMapping(UserId, MappedResource, Role),
    RemoveMapping(UserId, MappedResource),
    PutCache(Arc<Cache>),
    RemoveCache(CacheId),
    PutDbrp(Arc<Dbrp>),
    RemoveDbrp(DbrpId),
    PutV1User(Arc<V1User>),
    /// Its grants are removed before.
    RemoveV1User(V1UserId),
    /// The PHC string of an argon2id hash.
    PutV1Password(V1UserId, Arc<str>),
    PutV1Grant(V1UserId, String, V1Privilege),
    RemoveV1Grant(V1UserId, String),
    PutContinuousQuery(Arc<ContinuousQuery>),
    RemoveContinuousQuery(JobId),
    PutJob(Arc<Job>),
    /// Its runs are removed before.
    RemoveJob(JobId),
    PutJobRun(Arc<JobRun>),
    /// A run of a job, by its own id.
    RemoveJobRun(JobId, JobId),
    PutDocument(Arc<Document>),
    /// Its labels are removed before.
    RemoveDocument(DocumentKind, DocumentId),
    /// A resource gets a label.
    PutLabelMapping(MappedResource, DocumentId),
    RemoveLabelMapping(MappedResource, DocumentId),
    /// A secret of an organisation by its name, encrypted.
    PutSecret(OrganisationId, String, Arc<str>),
    RemoveSecret(OrganisationId, String),
    /// The server was set up at this time.
    CompleteOnboarding(i64),
}

/// The maps. Those by id are sorted, since lists are.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone, PartialEq))]
pub(crate) struct Image {
    pub(crate) organisations: BTreeMap<OrganisationId, Arc<Organisation>>,
    pub(crate) organisation_names: HashMap<String, OrganisationId>,
    pub(crate) buckets: BTreeMap<BucketId, Arc<Bucket>>,
    /// Nested, so that a look-up by name allocates nothing.
    pub(crate) bucket_names: HashMap<OrganisationId, HashMap<String, BucketId>>,
    pub(crate) dropped_buckets: BTreeMap<BucketId, OrganisationId>,
    pub(crate) users: BTreeMap<UserId, Arc<User>>,
    pub(crate) user_names: HashMap<String, UserId>,
    pub(crate) passwords: HashMap<UserId, Arc<str>>,
    pub(crate) sessions: HashMap<SecretDigest, Arc<Session>>,
    pub(crate) authorizations: BTreeMap<AuthorizationId, Arc<Authorization>>,
    pub(crate) tokens: HashMap<SecretDigest, AuthorizationId>,
    pub(crate) mappings: BTreeMap<UserId, BTreeMap<MappedResource, Role>>,
    pub(crate) caches: BTreeMap<CacheId, Arc<Cache>>,
    pub(crate) dbrps: BTreeMap<DbrpId, Arc<Dbrp>>,
    pub(crate) v1_users: BTreeMap<V1UserId, Arc<V1User>>,
    pub(crate) v1_user_names: HashMap<String, V1UserId>,
    pub(crate) v1_passwords: HashMap<V1UserId, Arc<str>>,
    pub(crate) v1_grants: BTreeMap<V1UserId, BTreeMap<String, V1Privilege>>,
    pub(crate) continuous_queries: BTreeMap<JobId, Arc<ContinuousQuery>>,
    pub(crate) jobs: BTreeMap<JobId, Arc<Job>>,
    pub(crate) job_runs: BTreeMap<JobId, BTreeMap<JobId, Arc<JobRun>>>,
    pub(crate) documents: BTreeMap<(DocumentKind, DocumentId), Arc<Document>>,
    pub(crate) label_mappings: BTreeMap<MappedResource, BTreeSet<DocumentId>>,
    /// Encrypted, by name.
    pub(crate) secrets: BTreeMap<OrganisationId, BTreeMap<String, Arc<str>>>,
    pub(crate) onboarded_at_ns: Option<i64>,
}

impl Image {
    /// The organisation of a name.
    pub(crate) fn organisation_by_name(&self, name: &str) -> Option<&Arc<Organisation>> {
        self.organisations.get(self.organisation_names.get(name)?)
    }

    /// The bucket of a name in an organisation.
    pub(crate) fn bucket_by_name(&self, organisation_id: OrganisationId, name: &str) -> Option<&Arc<Bucket>> {
        self.buckets.get(self.bucket_names.get(&organisation_id)?.get(name)?)
    }

    /// The user of a name.
    pub(crate) fn user_by_name(&self, name: &str) -> Option<&Arc<User>> {
        self.users.get(self.user_names.get(name)?)
    }

    /// The authorization of a token.
    pub(crate) fn authorization_by_token(&self, digest: &SecretDigest) -> Option<&Arc<Authorization>> {
        self.authorizations.get(self.tokens.get(digest)?)
    }

    /// Who is owner or member of a resource, by rising user id.
    pub(crate) fn mappings_of(&self, resource: MappedResource) -> impl Iterator<Item = (UserId, Role)> {
        self.mappings.iter().filter_map(move |(&user_id, roles)| Some((user_id, *roles.get(&resource)?)))
    }

    /// Carries out one change.
    pub(crate) fn apply(&mut self, change: Change) {
        match change {
            Change::PutOrganisation(organisation) => self.put_organisation(organisation),
            Change::RemoveOrganisation(id) => {
                if let Some(organisation) = self.organisations.remove(&id) {
                    self.organisation_names.remove(&organisation.name);
                    self.bucket_names.remove(&id);
                }
            }
            Change::PutBucket(bucket) => self.put_bucket(bucket),
            Change::RemoveBucket(id) => {
                if let Some(bucket) = self.buckets.remove(&id) {
                    self.forget_bucket_name(&bucket);
                }
            }
            Change::PutDroppedBucket(id, organisation_id) => {
                self.dropped_buckets.insert(id, organisation_id);
            }
            Change::RemoveDroppedBucket(id) => {
                self.dropped_buckets.remove(&id);
            }
            Change::PutUser(user) => self.put_user(user),
            Change::RemoveUser(id) => {
                if let Some(user) = self.users.remove(&id) {
                    self.user_names.remove(&user.name);
                }
            }
            Change::PutPassword(user_id, hash) => {
                self.passwords.insert(user_id, hash);
            }
            Change::RemovePassword(user_id) => {
                self.passwords.remove(&user_id);
            }
            Change::PutSession(session) => {
                self.sessions.insert(session.digest, session);
            }
            Change::RemoveSession(digest) => {
                self.sessions.remove(&digest);
            }
            Change::PutAuthorization(authorization) => {
                self.tokens.insert(authorization.digest, authorization.id);
                self.authorizations.insert(authorization.id, authorization);
            }
            Change::RemoveAuthorization(id) => {
                if let Some(authorization) = self.authorizations.remove(&id) {
                    self.tokens.remove(&authorization.digest);
                }
            }
            Change::PutMapping(user_id, resource, role) => {
                self.mappings.entry(user_id).or_default().insert(resource, role);
            }
            Change::RemoveMapping(user_id, resource) => self.remove_mapping(user_id, resource),
            Change::PutCache(cache) => {
                self.caches.insert(cache.id, cache);
            }
            Change::RemoveCache(id) => {
                self.caches.remove(&id);
            }
            Change::CompleteOnboarding(at_ns) => self.onboarded_at_ns = Some(at_ns),
            change => self.apply_influxdb_1(change),
        }
    }

    /// What belongs to InfluxDB 1.x and to jobs.
    fn apply_influxdb_1(&mut self, change: Change) {
        match change {
            Change::PutDbrp(dbrp) => {
                self.dbrps.insert(dbrp.id, dbrp);
            }
            Change::RemoveDbrp(id) => {
                self.dbrps.remove(&id);
            }
            Change::PutV1User(user) => {
                self.v1_user_names.insert(user.name.clone(), user.id);
                self.v1_users.insert(user.id, user);
            }
            Change::RemoveV1User(id) => {
                if let Some(user) = self.v1_users.remove(&id) {
                    self.v1_user_names.remove(&user.name);
                }
                self.v1_passwords.remove(&id);
            }
            Change::PutV1Password(id, hash) => {
                self.v1_passwords.insert(id, hash);
            }
            Change::PutV1Grant(id, database, privilege) => {
                self.v1_grants.entry(id).or_default().insert(database, privilege);
            }
            Change::RemoveV1Grant(id, database) => {
                if let Some(grants) = self.v1_grants.get_mut(&id) {
                    grants.remove(&database);
                    if grants.is_empty() {
                        self.v1_grants.remove(&id);
                    }
                }
            }
            Change::PutContinuousQuery(query) => {
                self.continuous_queries.insert(query.id, query);
            }
            Change::RemoveContinuousQuery(id) => {
                self.continuous_queries.remove(&id);
            }
            change => self.apply_job(change),
        }
    }

    fn apply_job(&mut self, change: Change) {
        match change {
            Change::PutJob(job) => {
                self.jobs.insert(job.id, job);
            }
            Change::RemoveJob(id) => {
                self.jobs.remove(&id);
            }
            Change::PutJobRun(run) => {
                self.job_runs.entry(run.job_id).or_default().insert(run.id, run);
            }
            Change::RemoveJobRun(id, run) => {
                if let Some(runs) = self.job_runs.get_mut(&id) {
                    runs.remove(&run);
                    if runs.is_empty() {
                        self.job_runs.remove(&id);
                    }
                }
            }
            change => self.apply_document(change),
        }
    }

    fn apply_document(&mut self, change: Change) {
        match change {
            Change::PutDocument(document) => {
                self.documents.insert((document.kind, document.id), document);
            }
            Change::RemoveDocument(kind, id) => {
                self.documents.remove(&(kind, id));
            }
            Change::PutLabelMapping(resource, label) => {
                self.label_mappings.entry(resource).or_default().insert(label);
            }
            Change::RemoveLabelMapping(resource, label) => {
                if let Some(labels) = self.label_mappings.get_mut(&resource) {
                    labels.remove(&label);
                    if labels.is_empty() {
                        self.label_mappings.remove(&resource);
                    }
                }
            }
            Change::PutSecret(organisation, name, ciphertext) => {
                self.secrets.entry(organisation).or_default().insert(name, ciphertext);
            }
            Change::RemoveSecret(organisation, name) => {
                if let Some(secrets) = self.secrets.get_mut(&organisation) {
                    secrets.remove(&name);
                    if secrets.is_empty() {
                        self.secrets.remove(&organisation);
                    }
                }
            }
            // All others are applied before.
            _ => {}
        }
    }

    fn put_organisation(&mut self, organisation: Arc<Organisation>) {
        self.organisation_names.insert(organisation.name.clone(), organisation.id);
        let name = organisation.name.clone();
        if let Some(before) = self.organisations.insert(organisation.id, organisation)
            && before.name != name
        {
            self.organisation_names.remove(&before.name);
        }
    }

    fn put_bucket(&mut self, bucket: Arc<Bucket>) {
        let names = self.bucket_names.entry(bucket.organisation_id).or_default();
        names.insert(bucket.name.clone(), bucket.id);
        let name = bucket.name.clone();
        if let Some(before) = self.buckets.insert(bucket.id, bucket)
            && before.name != name
        {
            self.forget_bucket_name(&before);
        }
    }

    fn forget_bucket_name(&mut self, bucket: &Bucket) {
        if let Some(names) = self.bucket_names.get_mut(&bucket.organisation_id) {
            names.remove(&bucket.name);
        }
    }

    fn put_user(&mut self, user: Arc<User>) {
        self.user_names.insert(user.name.clone(), user.id);
        let name = user.name.clone();
        if let Some(before) = self.users.insert(user.id, user)
            && before.name != name
        {
            self.user_names.remove(&before.name);
        }
    }

    fn remove_mapping(&mut self, user_id: UserId, resource: MappedResource) {
        if let Some(roles) = self.mappings.get_mut(&user_id) {
            roles.remove(&resource);
            if roles.is_empty() {
                self.mappings.remove(&user_id);
            }
        }
    }
}
