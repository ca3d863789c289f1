//! The country codes that there are, so that a misspelt one is no silent hole.

/// ISO 3166-1 alpha-2, and XK for Kosovo, which address databases use.
const CODES: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS \
    BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI \
    FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR \
    IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM \
    MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT \
    PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM \
    TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW";

/// Whether a text is the code of a country, in capitals.
pub(crate) fn is_code(text: &str) -> bool {
    text.len() == 2 && CODES.split(' ').any(|code| code == text)
}

/// What to write instead of a text that is no code.
pub(crate) fn help_for(text: &str) -> String {
    let capitals = text.to_ascii_uppercase();
    match capitals.as_str() {
        "UK" => "the United Kingdom's code is GB".to_owned(),
        "EL" => "the code of Greece is GR".to_owned(),
        "EU" => "write the code of each country".to_owned(),
        _ if is_code(&capitals) => format!("write {capitals}"),
        _ => "write the two capitals of ISO 3166-1 alpha-2, such as DE or US".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_249_countries_and_kosovo() {
        assert_eq!(CODES.split(' ').count(), 250);
        assert!(CODES.split(' ').is_sorted());
        assert!(
            is_code("DE") && !is_code("de") && !is_code("UK") && !is_code("D ") && !is_code("")
        );
        assert!(help_for("uk").contains("GB") && help_for("de").contains("DE"));
    }
}
