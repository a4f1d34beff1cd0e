"""Building blocks: what hashing, encrypting and compressing cost on one core of this machine."""

import os
import re
import subprocess
import tempfile

from measure import quiet

PIECE = 1 << 20
SAMPLE_BYTES = 64 << 20


def openssl_bytes_per_second(algorithm):
    text = quiet(["openssl", "speed", "-mr", "-elapsed", "-seconds", "1", "-bytes", PIECE, "-evp",
                  algorithm])
    return float([line for line in text.splitlines() if line.startswith("+F:")][0].split(":")[-1])


def zstd_bytes_per_second(root):
    """Level 1 on pieces as big as a chunk, of the data set's own content."""
    with tempfile.NamedTemporaryFile() as sample:
        reader = subprocess.Popen(["tar", "-cf", "-", root], stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL)
        subprocess.run(["head", "-c", str(SAMPLE_BYTES)], stdin=reader.stdout, stdout=sample,
                       check=True)
        reader.stdout.close()
        reader.wait()
        done = subprocess.run(["zstd", "-b1", "-i1", f"-B{PIECE}", sample.name], check=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return float(re.findall(r"([\d.]+) MB/s", done.stdout)[-2]) * 1e6


def machine_blocks():
    """Bytes per second of one core."""
    return {"SHA-256": openssl_bytes_per_second("sha256"),
            "AES-256-GCM": openssl_bytes_per_second("aes-256-gcm")}


def files_bound_seconds(blocks, data_set):
    """A first backup that hashes, compresses and encrypts on all cores, and reads for nothing."""
    names = ("SHA-256", "AES-256-GCM", f"zstd -1, {data_set.name}")
    cost = sum(1 / blocks[name] for name in names)
    return data_set.facts["bytes"] * cost / os.cpu_count()
