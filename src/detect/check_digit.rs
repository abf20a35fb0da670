//! Check digit formulas of Japanese and international numbers.
//! It refuses to say what a number is: a right check digit alone is true for one number in ten.

/// My Number, 12 digits: 11 − (Σ Pn·Qn mod 11), 0 when that is 10 or 11; Pn the nth digit from the right of the first 11, Qn = n + 1 up to 6, n − 5 above.
/// Source: ordinance of the Ministry of Internal Affairs and Communications No. 85 of 2014, article 5.
#[must_use]
pub fn my_number(digits: &[u8]) -> bool {
    if digits.len() != 12 || digits.iter().all(|digit| *digit == digits[0]) {
        return false;
    }
    let sum: u32 = (1..=11u32)
        .zip(digits[..11].iter().rev())
        .map(|(n, digit)| u32::from(*digit) * if n <= 6 { n + 1 } else { n - 5 })
        .sum();
    let check = match 11 - sum % 11 {
        10 | 11 => 0,
        other => other,
    };
    u32::from(digits[11]) == check
}

/// Corporate number, 13 digits: the first is 9 − (Σ of the other twelve from the right × 1, 2, 1, 2 … mod 9).
/// Source: ordinance of the Ministry of Finance No. 70 of 2014, article 2.
#[must_use]
pub fn corporate_number(digits: &[u8]) -> bool {
    if digits.len() != 13 {
        return false;
    }
    let sum: u32 =
        digits[1..].iter().rev().zip([1u32, 2].into_iter().cycle()).map(|(digit, q)| u32::from(*digit) * q).sum();
    u32::from(digits[0]) == 9 - sum % 9
}

/// Driver's licence, 12 digits: digit 11 = 11 − (Σ d1..d10 × 5 4 3 2 7 6 5 4 3 2 mod 11), its last digit. The formula is not published officially.
#[must_use]
pub fn drivers_license(digits: &[u8]) -> bool {
    if digits.len() != 12 {
        return false;
    }
    let sum: u32 =
        digits[..10].iter().zip([5u32, 4, 3, 2, 7, 6, 5, 4, 3, 2]).map(|(digit, q)| u32::from(*digit) * q).sum();
    u32::from(digits[10]) == (11 - sum % 11) % 10
}

/// Luhn (ISO/IEC 7812-1 annex B).
#[must_use]
pub fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, digit)| {
            let value = u32::from(*digit) << (at % 2);
            if value > 9 { value - 9 } else { value }
        })
        .sum();
    !digits.is_empty() && sum.is_multiple_of(10)
}

/// Health insurer number, 8 digits (or 6 for national insurance): Luhn weights 2, 1 from the right of the digits before the check digit.
/// Source: notification of the Ministry of Health, Labour and Welfare on insurer numbers (保険者番号等の設定について).
#[must_use]
pub fn insurer(digits: &[u8]) -> bool {
    matches!(digits.len(), 6 | 8) && luhn(digits)
}

/// GS1 check digit of JAN/EAN-8 and -13 and ISBN-13 (GS1 General Specifications 7.9): weights 3, 1 from the right.
#[must_use]
pub fn gs1(digits: &[u8]) -> bool {
    if !matches!(digits.len(), 8 | 13) {
        return false;
    }
    let sum: u32 = digits.iter().rev().zip([1u32, 3].into_iter().cycle()).map(|(digit, q)| u32::from(*digit) * q).sum();
    sum.is_multiple_of(10)
}

/// One check digit of a machine readable zone (ICAO Doc 9303-3, 4.9): weights 7, 3, 1; letters count from A = 10, `<` is 0.
#[must_use]
pub fn machine_readable(field: &[u8], check: u8) -> bool {
    let mut sum = 0u32;
    for (byte, q) in field.iter().zip([7u32, 3, 1].into_iter().cycle()) {
        let value = match byte {
            b'0'..=b'9' => u32::from(byte - b'0'),
            b'A'..=b'Z' => u32::from(byte - b'A') + 10,
            b'<' => 0,
            _ => return false,
        };
        sum += value * q;
    }
    check.is_ascii_digit() && sum % 10 == u32::from(check - b'0')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digits(text: &str) -> Vec<u8> {
        text.bytes().map(|byte| byte - b'0').collect()
    }

    #[test]
    fn published_examples_are_valid_and_any_changed_digit_is_not() {
        type Check = fn(&[u8]) -> bool;
        for (check, text) in [
            (my_number as Check, "621498320257"),
            (corporate_number, "5835678256246"),
            (luhn, "4111111111111111"),
            (insurer, "33120015"),
            (gs1, "4901234567894"),
        ] {
            let right = digits(text);
            assert!(check(&right), "{text}");
            for at in 0..right.len() {
                let mut wrong = right.clone();
                wrong[at] = (wrong[at] + 1) % 10;
                assert!(!check(&wrong), "{text} with digit {at} changed");
            }
        }
    }

    #[test]
    fn licence_check_digit_is_the_eleventh() {
        let valid = (0..10).filter(|check| drivers_license(&digits(&format!("3012345678{check}0")))).count();
        assert_eq!(valid, 1);
    }

    #[test]
    fn machine_readable_zone_example_of_the_standard() {
        assert!(machine_readable(b"L898902C3", b'6'));
        assert!(machine_readable(b"740812", b'2'));
        assert!(!machine_readable(b"740813", b'2'));
    }
}
