"""Fetches files as told on standard input, a line each, with the standard library's FTP client.

active, passive: how the data connection is made; noop: says something; tftp: another protocol.
Prints how many bytes came, or what went wrong.
"""
import ftplib
import socket
import sys

host = sys.argv[1]
family = socket.AF_INET6 if ':' in host else socket.AF_INET
timeout = 60


def by_tftp():
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.settimeout(timeout)
    s.sendto(b'\0\1file\0octet\0', (host, 69))
    total = 0
    while True:
        data, server = s.recvfrom(2048)
        total += len(data) - 4
        s.sendto(b'\0\4' + data[2:4], server)
        if len(data) < 516:
            return total


def connect():
    ftp = ftplib.FTP()
    # The address of 227, and not the control connection's, is what is to be right.
    ftp.trust_server_pasv_ipv4_address = True
    ftp.connect(host, 21, timeout)
    ftp.login()
    return ftp


ftp = None
for line in sys.stdin:
    what = line.strip()
    try:
        if what == 'tftp':
            print(by_tftp(), flush=True)
            continue
        ftp = ftp or connect()
        if what == 'noop':
            print(ftp.voidcmd('NOOP'), flush=True)
            continue
        ftp.set_pasv(what == 'passive')
        pieces = []
        ftp.retrbinary('RETR file', pieces.append)
        print(sum(map(len, pieces)), flush=True)
    except Exception as error:
        ftp = None
        print(f'{type(error).__name__}: {error}', flush=True)
