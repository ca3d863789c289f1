//! Any bytes as an address database, a table or an environment file: nothing panics, and what is kept is bounded.
#![no_main]

use std::hint::black_box;
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use trailloop_enrichment::{
    Accounts, Enriched, Enrichment, Environment, PlaceCache, Places, Principals,
};

const ADDRESSES: [&str; 6] =
    ["203.0.113.77", "198.51.100.255", "0.0.0.1", "2001:db8:1::1", "ffff::1", "x.amazonaws.com"];
const ACTORS: [&str; 3] =
    ["arn:aws:iam::111122223333:role/ci/deployer", "arn:aws:iam::1:user/x", "ec2.amazonaws.com"];

fuzz_target!(|bytes: &[u8]| {
    let places = Places::from_bytes([("f".to_owned(), bytes.to_vec())]).map(Arc::new).ok();
    let accounts = Accounts::parse("f", bytes).map(Arc::new).ok();
    let principals = Principals::parse("f", bytes).map(Arc::new).ok();
    let environment = Environment::parse("f", bytes).map(Arc::new);
    if let Err(problems) = &environment {
        let text = problems.to_string();
        assert_eq!(text.lines().count(), problems.0.len(), "a problem is one line");
    }
    let environment = environment.ok();
    if [places.is_some(), accounts.is_some(), principals.is_some(), environment.is_some()]
        == [false; 4]
    {
        return;
    }
    let enrichment = Enrichment { places, accounts, principals, environment };
    let mut cache = PlaceCache::default();
    for address in ADDRESSES {
        let place = enrichment.place(address);
        assert_eq!(cache.place(&enrichment, address), place);
        if let Some(place) = place {
            assert!(Enriched::ALL[..4].iter().any(|field| field.is_available(&enrichment)));
            assert!(place.country.is_none_or(|country| country.len() == 2));
            let texts = [place.city, place.organization];
            assert!(texts.iter().flatten().all(|text| (1..=256).contains(&text.len())));
        }
        black_box(enrichment.network(address));
        black_box(enrichment.expected_country(address));
        black_box(enrichment.expected_network(address));
    }
    for actor in ACTORS {
        black_box(enrichment.principal(actor));
        black_box(enrichment.standing(Some(actor), None, actor.len() % 2 == 0));
    }
    black_box(enrichment.account("111122223333"));
    black_box(enrichment.expected_region("eu-central-1"));
});
