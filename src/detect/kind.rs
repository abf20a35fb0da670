//! The kinds of data, and the words by which rules and reports name them.
//! It refuses a kind without a word: the list is the whole of `data.KIND`.

use serde::{Deserialize, Serialize};

/// What kind of personal or confidential data a finding is; the word is the key `data.KIND` of the rule language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    MyNumber,
    DriversLicense,
    Passport,
    ResidenceCard,
    HealthInsurance,
    PensionNumber,
    EmploymentInsurance,
    ResidentRecordCode,
    Phone,
    PostalCode,
    Address,
    EmailAddress,
    BirthDate,
    BankAccount,
    CreditCard,
    Name,
    Health,
    Welfare,
    Grades,
    Discipline,
    Tax,
    Crime,
    Belief,
    Family,
    Credential,
    ArchivePassword,
    ConfidentialMark,
}

impl Kind {
    /// The word used in rules, facts and reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MyNumber => "my_number",
            Self::DriversLicense => "drivers_license",
            Self::Passport => "passport",
            Self::ResidenceCard => "residence_card",
            Self::HealthInsurance => "health_insurance",
            Self::PensionNumber => "pension_number",
            Self::EmploymentInsurance => "employment_insurance",
            Self::ResidentRecordCode => "resident_record_code",
            Self::Phone => "phone",
            Self::PostalCode => "postal_code",
            Self::Address => "address",
            Self::EmailAddress => "email_address",
            Self::BirthDate => "birth_date",
            Self::BankAccount => "bank_account",
            Self::CreditCard => "credit_card",
            Self::Name => "name",
            Self::Health => "health",
            Self::Welfare => "welfare",
            Self::Grades => "grades",
            Self::Discipline => "discipline",
            Self::Tax => "tax",
            Self::Crime => "crime",
            Self::Belief => "belief",
            Self::Family => "family",
            Self::Credential => "credential",
            Self::ArchivePassword => "archive_password",
            Self::ConfidentialMark => "confidential_mark",
        }
    }
}
