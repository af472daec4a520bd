"""Static files and parts of pages travel compressed to those who take it; pages never do, since they carry a secret."""

from __future__ import annotations

import gzip

from flask import Response

from fluxrate.http.packed import pack_part
from fluxrate.web import STATIC

NAME = "htmx-4.0.1.min.js"


def get(instance, path, **headers):
    return instance.client.get(path, headers={"Accept-Encoding": "gzip, br"} | headers)


def test_a_static_file_is_compressed(empty):
    answer = get(empty, f"/static/{NAME}")
    assert answer.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in answer.headers["Vary"]
    assert gzip.decompress(answer.data) == (STATIC / NAME).read_bytes()
    assert int(answer.headers["Content-Length"]) == len(answer.data) < 20_000


def test_it_is_plain_for_who_takes_no_gzip(empty):
    answer = empty.client.get(f"/static/{NAME}", headers={"Accept-Encoding": "gzip;q=0"})
    assert "Content-Encoding" not in answer.headers
    assert answer.data == (STATIC / NAME).read_bytes()


def test_a_known_file_is_not_sent_again(empty):
    tag = get(empty, f"/static/{NAME}").headers["ETag"]
    again = get(empty, f"/static/{NAME}", **{"If-None-Match": tag})
    assert again.status_code == 304
    assert again.data == b""


def test_a_page_is_not_compressed(empty):
    assert "Content-Encoding" not in get(empty, "/").headers


def test_a_part_of_a_page_is_compressed_for_our_own_script(filled):
    path = "/panels/trend?meter=api_calls"
    part = get(filled, path, **{"HX-Request": "true"})
    assert part.headers["Content-Encoding"] == "gzip"
    assert {"Accept-Encoding", "HX-Request"} <= {name.strip() for name in part.headers["Vary"].split(",")}
    plain = filled.client.get(path, headers={"HX-Request": "true"})
    assert "Content-Encoding" not in plain.headers
    assert gzip.decompress(part.data) == plain.data
    assert int(part.headers["Content-Length"]) == len(part.data) < len(plain.data) / 3
    assert "csrf_token" not in plain.text


def test_a_part_that_has_the_token_comes_plain(empty):
    """Its length would tell about the token: our own page passes on what another site wrote into its address."""
    with empty.app.test_request_context("/", headers={"Accept-Encoding": "gzip"}):
        for text, is_packed in (("told " * 200 + "s3cret", False), ("told " * 200, True)):
            part = Response(text)
            pack_part(part, "s3cret")
            assert ("Content-Encoding" in part.headers) is is_packed


def test_what_cannot_be_read_comes_plain(filled):
    answer = get(filled, "/logs?min_quantity=x", **{"HX-Request": "true"})
    assert (answer.status_code, "Content-Encoding" in answer.headers) == (200, True)
    refused = get(filled, "/panels/trend?timezone=Nowhere", **{"HX-Request": "true"})
    assert (refused.status_code, "Content-Encoding" in refused.headers) == (422, False)
