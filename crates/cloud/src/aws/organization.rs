//! The accounts of an organization and where they stand in it, read from AWS Organizations.
//!
//! The tree is walked from its roots, so that a level costs one list and not each account a question of its own. Only
//! lists and tags are read; nothing is changed.

use aws_sdk_organizations::Client;

use crate::error::{CloudError, CloudErrorKind};

use super::from_sdk;

/// Organizational units nest five levels below the root; one more than AWS allows is a loop of ours.
const DEPTH_MAX: usize = 10;

/// An account of the organization.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct MemberAccount {
    /// Its twelve digits.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The names of the units above it, from below the root, joined with `/`; empty right below the root.
    pub unit: String,
    /// The value of the tag that was asked for.
    pub tag: Option<String>,
}

/// AWS Organizations, as the management account or a delegated administrator sees it.
#[derive(Clone, Debug)]
pub struct Organization(Client);

impl Organization {
    pub(super) fn new(client: Client) -> Self {
        Self(client)
    }

    /// Every account, in the order of ids; with the value of `tag`, if one is asked for, at the cost of a request an
    /// account.
    ///
    /// # Errors
    ///
    /// If a request fails. `Denied` also says that the caller's account may not look at the organization.
    pub async fn accounts(&self, tag: Option<&str>) -> Result<Vec<MemberAccount>, CloudError> {
        let mut accounts = Vec::new();
        let mut parents: Vec<(String, String, usize)> =
            self.roots().await?.into_iter().map(|root| (root, String::new(), 0)).collect();
        while let Some((parent, unit, depth)) = parents.pop() {
            for (id, name) in self.accounts_below(&parent).await? {
                let tag = match tag {
                    Some(key) => self.tag(&id, key).await?,
                    None => None,
                };
                accounts.push(MemberAccount { id, name, unit: unit.clone(), tag });
            }
            if depth >= DEPTH_MAX {
                let message = format!("units nest deeper than {DEPTH_MAX}");
                return Err(CloudError::new(CloudErrorKind::Invalid, "list", parent, message));
            }
            for (id, name) in self.units_below(&parent).await? {
                let path = if unit.is_empty() { name } else { format!("{unit}/{name}") };
                parents.push((id, path, depth + 1));
            }
        }
        accounts.sort();
        Ok(accounts)
    }

    async fn roots(&self) -> Result<Vec<String>, CloudError> {
        let mut pages = self.0.list_roots().into_paginator().send();
        let mut roots = Vec::new();
        while let Some(page) = pages.next().await {
            let page =
                page.map_err(|failure| from_sdk("list", "the organization's roots", &failure))?;
            roots.extend(page.roots.into_iter().flatten().filter_map(|root| root.id));
        }
        Ok(roots)
    }

    async fn accounts_below(&self, parent: &str) -> Result<Vec<(String, String)>, CloudError> {
        let request = self.0.list_accounts_for_parent().parent_id(parent);
        let mut pages = request.into_paginator().send();
        let mut accounts = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|failure| from_sdk("list", parent, &failure))?;
            let named = page.accounts.into_iter().flatten();
            accounts.extend(named.filter_map(|one| Some((one.id?, one.name.unwrap_or_default()))));
        }
        Ok(accounts)
    }

    async fn units_below(&self, parent: &str) -> Result<Vec<(String, String)>, CloudError> {
        let request = self.0.list_organizational_units_for_parent().parent_id(parent);
        let mut pages = request.into_paginator().send();
        let mut units = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|failure| from_sdk("list", parent, &failure))?;
            let named = page.organizational_units.into_iter().flatten();
            units.extend(named.filter_map(|one| Some((one.id?, one.name.unwrap_or_default()))));
        }
        Ok(units)
    }

    async fn tag(&self, account: &str, key: &str) -> Result<Option<String>, CloudError> {
        let request = self.0.list_tags_for_resource().resource_id(account);
        let mut pages = request.into_paginator().items().send();
        while let Some(tag) = pages.next().await {
            let tag = tag.map_err(|failure| from_sdk("list", account, &failure))?;
            if tag.key == key {
                return Ok(Some(tag.value));
            }
        }
        Ok(None)
    }
}
