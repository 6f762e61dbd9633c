"""Links to objects are signed as Amazon says."""

from __future__ import annotations

from madang.lake.signing import link


def test_a_link_has_the_signature_of_amazons_own_example() -> None:
    key = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    host = "https://examplebucket.s3.amazonaws.com"
    made = link(host, "/test.txt", key, "us-east-1", 86_400, 1_369_353_600)  # 2013-05-24
    assert made.startswith(f"{host}/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&")
    assert made.endswith("=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404")
