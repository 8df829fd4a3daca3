"""Is a messy list read as its author meant it? Encodings, delimiters, lost quotes, the headers of the common tools."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outbound.columns import Columns, ListKind
from outbound.contacts import ContactRow, RowError, normalise_address, read_contact, read_day, read_instant, split_name
from outbound.csv_rows import find_delimiter, guess_encoding, read_records
from outbound.places import country_code, language_code
from store.errors import PermanentError

TEXT = "email,name\nm\u00fcller@acme.example,J\u00fcrgen M\u00fcller aus D\u00fcsseldorf\nf@b.example,Ren\u00e9e Lef\u00e8vre\n"
FOREIGN = [
    ("cp1252", "J\u00fcrgen M\u00fcller\nRen\u00e9e Lef\u00e8vre"), ("cp1252", "M\u00fcller"), ("cp1252", "Acme \u2013 Berlin\nO\u2019Neil"),
    ("cp1252", "N\u00fa\u00f1ez Pe\u00f1a\nM\u00e1laga"), ("cp1250", "\u0141ukasz Wi\u015bniewski\n\u017b\u00f3\u0142\u0107\nGda\u0144sk"),
    ("cp1251", "\u0418\u0432\u0430\u043d \u041f\u0435\u0442\u0440\u043e\u0432\n\u041e\u041e\u041e \u0420\u043e\u043c\u0430\u0448\u043a\u0430 \u041c\u043e\u0441\u043a\u0432\u0430"),
    ("cp1253", "\u0393\u03b9\u03ce\u03c1\u03b3\u03bf\u03c2 \u03a0\u03b1\u03c0\u03b1\u03b4\u03cc\u03c0\u03bf\u03c5\u03bb\u03bf\u03c2\n\u0391\u03b8\u03ae\u03bd\u03b1"),
    ("mac_roman", "J\u00fcrgen M\u00fcller\nRen\u00e9e Lef\u00e8vre"),
]  # fmt: skip


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le", "utf-16-be", "cp1252"])
def test_the_encoding_is_found(codec: str) -> None:
    raw = TEXT.encode(codec)
    foreign = b"\n".join(line for line in raw.splitlines() if not line.isascii())
    found = guess_encoding(raw[:4096], foreign, is_utf8=codec == "utf-8")
    assert raw.decode(found).removeprefix("\ufeff") == TEXT


@pytest.mark.parametrize(("codec", "words"), FOREIGN)
def test_names_of_many_tongues_are_read_as_written(codec: str, words: str) -> None:
    text = "\n".join(f"a{number}@x.example;{word};Acme" for number, word in enumerate(words.split("\n")))
    raw = text.encode(codec)
    assert raw.decode(guess_encoding(raw, raw, is_utf8=False)) == text


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(mark: str) -> None:
    rows = [["email", "name", "note"], ["a@b.example", "Lee, Ann", "x; y, z | w"], ["c@d.example", "Bo", ""]]
    text = io.StringIO()
    csv.writer(text, delimiter=mark).writerows(rows)
    lines = text.getvalue().splitlines(keepends=True)
    assert find_delimiter(lines) == mark
    assert [cells for _, cells in read_records(lines, mark)] == rows


def test_excel_may_name_its_delimiter() -> None:
    assert find_delimiter(["sep=;\r\n", "a,b,c;d\r\n"]) == ";"


def test_a_lost_quote_costs_one_row() -> None:
    text = 'email,name\na@x.example,"Ann\nb@x.example,Bo\nc@x.example,"Cy, ""the"" Lee"\nd@x.example,"two\nlines"\ne@x.example,"Ed"\n'
    found = list(read_records(text.splitlines(keepends=True), ",", 2))
    assert [(line, cells) for line, cells in found if isinstance(cells, list)] == [
        (1, ["email", "name"]), (3, ["b@x.example", "Bo"]), (4, ["c@x.example", 'Cy, "the" Lee']),
        (5, ["d@x.example", "two\nlines"]), (7, ["e@x.example", "Ed"]),
    ]  # fmt: skip
    assert [line for line, cells in found if isinstance(cells, str)] == [2]


def test_a_quote_that_is_never_closed_costs_one_row_of_thousands() -> None:
    lines = ["email,name\n", 'a@x.example,"Ann\n', *(f"p{number}@x.example,P\n" for number in range(5000))]
    found = list(read_records(lines, ",", 2))
    assert sum(isinstance(cells, str) for _, cells in found) == 1
    assert len(found) == 5002
    assert [line for line, _ in found] == list(range(1, 5003))


@given(
    st.lists(
        st.lists(st.text(alphabet=st.characters(exclude_characters="\0\r", codec="utf-8")), min_size=3, max_size=3),
        max_size=8,
    )
)
def test_whatever_is_quoted_by_the_rules_is_read_as_written(rows: list[list[str]]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows(rows)
    text.seek(0)
    assert [cells for _, cells in read_records(text, ",", 3)] == [
        row for row in rows if any(cell.strip() for cell in row)
    ]


@given(st.lists(st.text(alphabet="ab \u00e9;,'", max_size=12), max_size=8), st.sampled_from(",;"))
def test_lines_without_quotes_are_read_as_the_csv_module_reads_them(lines: list[str], mark: str) -> None:
    text = [f"{line}\r\n" for line in lines]
    known = [cells for cells in csv.reader(text, delimiter=mark) if any(cell.strip() for cell in cells)]
    assert [cells for _, cells in read_records(text, mark)] == known


TOOLS = {
    "Apollo": ("First Name,Last Name,Title,Company,Company Name for Emails,Email,Email Status,# Employees,Industry,Person Linkedin Url,Website,City,State,Country,Contact Owner,Account Owner,Apollo Contact Id,Apollo Account Id",
               "Ann,Lee,Head of Sales,Acme Inc.,Acme,ann@acme.example,Verified,120,Software,in/ann,https://www.acme.example,Berlin,Berlin,Germany,maya@team.example,jon@team.example,c1,a1"),
    "HubSpot": ("Record ID,First Name,Last Name,Email,Job Title,Associated Company,Company Domain Name,City,State/Region,Country/Region,Contact owner,Number of Employees,Unsubscribed from all email",
                "c1,Ann,Lee,ann@acme.example,Head of Sales,Acme Inc.,acme.example,Berlin,Berlin,Deutschland,maya@team.example,120,"),
    "Salesforce": ("Contact ID,First Name,Last Name,Title,Account Name,Account ID,Mailing City,Mailing State/Province,Mailing Country,Email,Email Opt Out,Lead Source,Contact Owner,Last Modified Date",
                   "c1,Ann,Lee,Head of Sales,Acme Inc.,a1,Berlin,Berlin,DEU,ann@acme.example,0,Apollo.io,maya@team.example,2026-02-03T10:00:00Z"),
    "Salesforce API": ("Id,FirstName,LastName,Title,Email,HasOptedOutOfEmail,LeadSource,MailingCity,MailingState,MailingCountry,Company",
                       "c1,Ann,Lee,Head of Sales,ann@acme.example,false,APOLLO export,Berlin,Berlin,Germany,Acme Inc."),
    "Pipedrive": ("Person - Name,Person - Email - Work,Person - ID,Organization - Name,Person - Owner,Person - Job title,Person - Country,Person - City,Person - State",
                  '"Ann Lee",ann@acme.example,c1,Acme Inc.,maya@team.example,Head of Sales,DE,Berlin,Berlin'),
    "Outreach": ("Prospect ID,First Name,Last Name,Title,Company,Emails,Address City,Address State,Address Country,Owner,Opted Out,Time Zone",
                 'c1,Ann,Lee,Head of Sales,Acme Inc.,"ann@acme.example, ann.lee@acme.example",Berlin,Berlin,Germany,maya@team.example,false,Europe/Berlin'),
    "Lemlist": ("email,firstName,lastName,jobTitle,companyName,companyDomain,city,state,country,contactOwner,id,isUnsubscribed",
                "ann@acme.example,Ann,Lee,Head of Sales,Acme Inc.,acme.example,Berlin,Berlin,Allemagne,maya@team.example,c1,no"),
    "Google": ("Given Name,Family Name,E-mail 1 - Value,Organization Name,Organization Title,City,State,Country,Owner,Id",
               "Ann,Lee,ann@acme.example,Acme Inc.,Head of Sales,Berlin,Berlin,Germany,maya@team.example,c1"),
    "a German table": ("E-Mail-Adresse;Vorname;Nachname;Position;Firma;Ort;Bundesland;Land;Besitzer;ID",
                       "ann@acme.example;Ann;Lee;Head of Sales;Acme Inc.;Berlin;Berlin;Deutschland;maya@team.example;c1"),
    "a French table": ("Adresse e-mail;Pr\u00e9nom;Nom;Poste;Soci\u00e9t\u00e9;Ville;Region;Pays;Owner;ID",
                       "ann@acme.example;Ann;Lee;Head of Sales;Acme Inc.;Berlin;Berlin;Allemagne;maya@team.example;c1"),
}  # fmt: skip


@pytest.mark.parametrize("tool", TOOLS)
def test_the_exports_of_the_common_tools_say_the_same(tool: str) -> None:
    lines = [f"{line}\n" for line in TOOLS[tool]]
    (_, header), (line, cells) = read_records(lines, find_delimiter(lines))
    assert isinstance(header, list)
    assert isinstance(cells, list)
    row = read_contact(line, *Columns(ListKind.CONTACTS, header).read(cells))
    assert isinstance(row, ContactRow)
    assert row.email == "ann@acme.example"
    expected = {"first_name": "Ann", "last_name": "Lee", "company": "Acme Inc.", "role": "Head of Sales", "country": "DE",
                "city": "Berlin", "state": "Berlin", "owner": "maya@team.example", "crm_id": "c1"}  # fmt: skip
    assert {name: row.values.get(name, expected[name]) for name in expected} == expected
    assert len(row.values) >= len(expected) - 1
    assert "do_not_contact" not in row.values
    assert row.values.get("source", "apollo") == "apollo"


def test_a_mapping_goes_before_what_a_header_looks_like() -> None:
    header = ["Mail (work)", "Email", "Remark"]
    columns = Columns(ListKind.CONTACTS, header, {"mail (work)": "email", "Email": "", "Remark": "why"})
    assert columns.read(["a@x.example", "b@x.example", "hires"]) == ({"email": "a@x.example"}, {"why": "hires"})
    with pytest.raises(PermanentError, match="Nowhere"):
        Columns(ListKind.CONTACTS, header, {"Nowhere": "email"})


@pytest.mark.parametrize(
    ("written", "address"),
    [
        (" Ann.Lee@ACME.example ", "ann.lee@acme.example"), ("mailto:a@b.example", "a@b.example"),
        ("Ann Lee <a@b.example>", "a@b.example"), ("a@m\u00fcller.example", "a@xn--mller-kva.example"),
        ("a+tag@b.example", "a+tag@b.example"), ("a.b@gmail.com", "a.b@gmail.com"), ("a@b.example,", "a@b.example"),
        ("<a@b.example>", "a@b.example"), ("'a@b.example'", "a@b.example"), ("a@b.test", "a@b.test"),
    ],
)  # fmt: skip
def test_an_address_has_one_spelling(written: str, address: str) -> None:
    assert normalise_address(written) == address


@pytest.mark.parametrize(
    "written",
    [
        "",
        "a",
        "a@",
        "@b.example",
        "a@b",
        "a b@c.example",
        "a@b..example",
        "a@-b.example",
        "a..b@c.example",
        "a@b.invalid",
        "a@b.example x@y.example",
        "a@1.2.3.4",
        f"{'a' * 65}@b.example",
    ],
)
def test_what_is_no_address_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        normalise_address(written)


LABEL = st.text("ab0-_", min_size=1, max_size=5)


@given(
    st.lists(LABEL, min_size=1, max_size=3),
    st.lists(LABEL, min_size=1, max_size=3),
    st.sampled_from(["com", "example", "local", "c1", "a"]),
)
def test_the_short_way_takes_nothing_that_the_library_refuses(local: list[str], domain: list[str], end: str) -> None:
    from email_validator import EmailNotValidError, validate_email

    address = f"{'.'.join(local)}@{'.'.join(domain)}.{end}"
    try:
        found: str | None = validate_email(address, check_deliverability=False, test_environment=True).normalized
    except EmailNotValidError:
        found = None
    try:
        own: str | None = normalise_address(address)
    except ValueError:
        own = None
    if address == address.strip(" .,;'\""):
        assert own == found


def test_a_cell_may_hold_several_addresses_or_a_full_name() -> None:
    row = read_contact(2, {"email": "a@x.example; b@x.example", "name": "Lee, Ann"}, {})
    assert isinstance(row, ContactRow)
    assert (row.email, row.notes) == ("a@x.example", ("several-addresses",))
    assert (row.values["first_name"], row.values["last_name"]) == ("Ann", "Lee")
    assert split_name("Ann van der Lee") == ("Ann", "van der Lee")
    assert split_name("Ann") == ("", "")
    assert isinstance(read_contact(3, {"email": "nobody"}, {}), RowError)


def test_what_nobody_can_tell_is_kept_as_written_and_named() -> None:
    row = read_contact(
        2, {"email": "a@x.example", "country": "Atlantis", "zone": "somewhere", "language": "German"}, {}
    )
    assert isinstance(row, ContactRow)
    assert row.values == {"language": "de"}
    assert row.notes == ("unknown-country", "unknown-zone")
    assert row.extra["country_as_written"] == "Atlantis"


def test_countries_and_languages_in_many_tongues() -> None:
    for written in ("DE", "deu", "Germany", "Deutschland", "ALLEMAGNE", "Alemania", "Germania", "Duitsland", "Niemcy"):
        assert country_code(written) == "DE"
    assert [country_code(one) for one in ("UK", "U.S.A.", "Korea", "The Netherlands", "")] == ["GB", "US", "", "NL", ""]
    assert [language_code(one) for one in ("de-AT", "fr_FR", "English", "x", "")] == ["de", "fr", "en", "", ""]


def test_dates_as_programs_write_them() -> None:
    written = {"2026-02-03": (2026, 2, 3), "3.2.2026": (2026, 2, 3), "25/12/2026": (2026, 12, 25), "12/25/2026 09:00": (2026, 12, 25),
               "03/04/2026": (2026, 4, 3)}  # fmt: skip
    for text, expected in written.items():
        day = read_day(text)
        assert day is not None
        assert (day.year, day.month, day.day) == expected
    assert read_day("soon") is read_day("2026-13-45") is None
    at = read_instant("2026-02-03 10:00")
    assert at is not None
    assert at.tzinfo is not None
