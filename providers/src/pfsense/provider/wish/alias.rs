//! Aliases.

use lessor_engine::ApplyError;
use lessor_plans::{AliasBody, Body};

use super::super::estate::Estate;
use super::super::read;
use super::{Step, still_used};
use crate::pfsense::{Alias, Edit};

/// One object, of networks: an address alone is one of `/32`.
pub(super) fn put(
    step: &Step<'_>,
    estate: &Estate<'_>,
    body: &AliasBody,
) -> Result<Vec<Edit>, ApplyError> {
    let address: Vec<String> = body.addresses.iter().map(ToString::to_string).collect();
    let Some(alias) = estate.aliases.ours_or_free("alias", &body.name)? else {
        let descr = step.new_mark("alias", &body.name)?.to_line();
        let (name, sort) = (body.name.clone(), "network".to_owned());
        return Ok(vec![Edit::create(Alias { name, sort, descr, address, detail: Vec::new() })]);
    };
    let wish = Body::Alias(body.clone());
    let seen = read::alias(alias.parts);
    let is_wished = seen == wish;
    step.check(alias, seen, &wish)?;
    if let Some(descr) = alias.marking(&alias.parts.descr) {
        let marked = Alias { descr, ..alias.parts.clone() };
        return Ok(vec![Edit::update_seen(alias.parts, marked, None)]);
    }
    if is_wished {
        return Ok(Vec::new());
    }
    // What was said of single entries may be about others now.
    let (sort, detail) = ("network".to_owned(), Vec::new());
    let wished = Alias { sort, address, detail, ..alias.parts.clone() };
    Ok(vec![Edit::update_seen(alias.parts, wished, None)])
}

/// pfSense would let it go under the rules that use it, and those would break without a word.
pub(super) fn delete(estate: &Estate<'_>, name: &str) -> Result<Vec<Edit>, ApplyError> {
    let Some(alias) = estate.aliases.ours_or_gone("alias", name)? else { return Ok(Vec::new()) };
    let world = estate.world;
    let lacks = [
        world.rules.as_ref().err(),
        world.port_forwards.as_ref().err(),
        world.one_to_ones.as_ref().err(),
        world.outbound_mappings.as_ref().err(),
    ];
    if let Some(lack) = lacks.into_iter().flatten().next() {
        return Err(lack.clone().into());
    }
    still_used(&format!("alias `{name}`"), &estate.users_of(name))?;
    Ok(vec![Edit::delete_seen(alias.parts)])
}
