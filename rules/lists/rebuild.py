#!/usr/bin/env python3
"""Rebuilds webmail.txt and disposable.txt from two published packages, without any network access of its own.

    npm pack free-email-domains && tar xzf free-email-domains-*.tgz
    pip download --no-deps disposable-email-domains && unzip -o disposable_email_domains-*.whl -d disposable
    python3 rules/lists/rebuild.py package disposable YYYY-MM-DD

carrier.txt and isp.txt are kept by hand; what they hold is left out of webmail.txt.
"""

import ast
import json
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent

# Free mail of Japan (present and former services), and large services that the package lacks.
ADDED = """
yahoo.co.jp yahoo.jp ymail.ne.jp gmail.com googlemail.com outlook.com outlook.jp hotmail.com hotmail.co.jp hotmail.jp live.jp
live.com msn.com passport.com icloud.com me.com mac.com aol.com aol.jp excite.co.jp excite.jp mail.bbexcite.jp infoseek.jp
infoseek.co.jp mail.infoseek.co.jp goo.jp mail.goo.ne.jp rakuten.jp livedoor.com lycos.jp lycos.ne.jp nate.com naver.com
kakao.com hanmail.net daum.net qq.com 163.com 126.com foxmail.com sina.com proton.me protonmail.com pm.me tutanota.com tuta.com
tuta.io duck.com hey.com fastmail.com fastmail.fm zoho.com zohomail.com zohomail.jp yandex.com gmx.com gmx.net mail.com
sakura.ne.jp supermailer.jp posteo.jp fastmail.jp mail.sony.jp kitty.jp dokidoki.ne.jp xmail.jp
""".split()

# Domains in the packages that belong to organisations, or to services that send for organisations: mail to them is business mail.
ORGANISATIONS = """
facebook.com bounces.amazon.com docs.google.com doclist.bounces.google.com calendar-server.bounces.google.com
emailer.hubspot.com emails.incisivemedia.com cable.comcast.com infomart.or.jp press.co.jp codeguard.net sendgrid.ovh
mesh.ad.jp via.tokyo.jp oath.com cntv.cn mailinblack.com
""".split()

# Endings that are schools, authorities, or a public suffix itself; no free mail lives there.
NEVER = re.compile(r"(^|\.)(edu|gov|mil|int|ac|go|lg|ed|edu\.[a-z]{2}|gov\.[a-z]{2})$|\.(ac|go|lg|ed|edu|gov)\.[a-z]{2}$")
SUFFIXES = re.compile(r"^(co|ne|or|ac|go|lg|ad|ed|gr|com|net|org|info|edu|gov)(\.[a-z]{2})?$")

# Misspelt well-known domains: these are what the look-alike check must find, so they are no webmail.
MISSPELT = """
hotmai.com hotmial.com vahoo.com gotmail.com hitmail.com yahoo.co outiook.com gmial.com hotmail.co yaho.com otmail.jp
gmail.com.br spotiy.site
""".split()

# Providers that give mail hosts below their own name.
HOSTS = ("rr.com", "zzn.com", "goo.ne.jp", "bbexcite.jp", "sony.jp", "infoseek.co.jp", "onet.eu", "byte.it", "c3.hu", "terra.com.gt")
SECOND_LEVEL = re.compile(r"\.(co|com|net|org|ne|or|ad|gen|me|ltd|home|nom)\.[a-z]{2}$")
NAME = re.compile(r"^(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+([a-z]{2,63}|xn--[a-z0-9-]+)$")


def listed(path):
    lines = (line.split("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return {line for line in lines if line}


def blocklist(folder):
    """The set literal `blocklist` in the package's source, read without running it."""
    tree = ast.parse((folder / "disposable_email_domains" / "__init__.py").read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        if any(isinstance(target, ast.Name) and target.id == "blocklist" for target in targets):
            return {element.value for element in ast.walk(node.value) if isinstance(element, ast.Constant)}
    sys.exit("no blocklist in the package")


def version(folder, name):
    meta = next(folder.glob(f"{name}-*.dist-info"))
    return meta.name[len(name) + 1 : -len(".dist-info")]


def kept_elsewhere(domain, own):
    parents = (domain[at + 1 :] for at in range(len(domain)) if domain[at] == ".")
    return domain in own or any(f"*.{parent}" in own for parent in parents)


def write(name, head, domains):
    text = "".join(f"# {line}\n" for line in head) + "\n" + "".join(f"{domain}\n" for domain in sorted(domains))
    (HERE / name).write_text(text, encoding="utf-8")
    print(f"{name}: {len(domains)} domains")


def main(free, disposable, date):
    package = json.loads((free / "package.json").read_text(encoding="utf-8"))
    everything = {domain.lower().strip(".") for domain in json.loads((free / "domains.json").read_text(encoding="utf-8"))}
    throwaway = {domain.lower() for domain in blocklist(disposable)}
    own = listed(HERE / "carrier.txt") | listed(HERE / "isp.txt")
    sound = {
        domain
        for domain in everything | throwaway | set(ADDED)
        if NAME.match(domain) and not NEVER.search(domain) and not SUFFIXES.match(domain)
        and domain not in ORGANISATIONS and domain not in MISSPELT
    }
    # A name of three labels or more is a host somebody made up, unless it stands below a second-level registry or a known provider.
    made_up = {
        domain
        for domain in sound
        if domain.count(".") >= 2 and domain not in ADDED and not domain.endswith(HOSTS)
        and not (SECOND_LEVEL.search(domain) and domain.count(".") == 2)
    }
    webmail = {domain for domain in sound - throwaway - made_up if not kept_elsewhere(domain, own)} | (set(ADDED) - own)
    thrown = {domain for domain in (sound & throwaway) | made_up if domain not in webmail and not kept_elsewhere(domain, own)}
    source = [
        f"Facts from the npm package free-email-domains {package['version']} ({package['license']} licence)",
        f"and the PyPI package disposable-email-domains {version(disposable, 'disposable_email_domains')} (MIT licence), {date};",
        "rebuilt by rules/lists/rebuild.py. One domain a line.",
    ]
    write("webmail.txt", ["Free mail services: anybody can open an address there.", *source], webmail)
    write("disposable.txt", ["Throw-away mail services: addresses that live for minutes.", *source], thrown)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3])
