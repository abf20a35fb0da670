#!/usr/bin/perl
# A second opinion on the DKIM signatures of the mail on standard input (Mail::DKIM); exit code 0 when each of them holds, 1 otherwise.
# Usage: verify.pl PUBLIC-KEY.pem; the key is answered for every selector and domain, so that no name server is asked. RSA only.
use strict;
use warnings;
use Mail::DKIM::Verifier;
use Net::DNS::RR;

open(my $file, '<', $ARGV[0]) or die "$ARGV[0]: $!\n";
my $key = join('', map { s/\s//gr } grep { !/^-/ } <$file>);
my @parts = "v=DKIM1; k=rsa; p=$key" =~ /(.{1,250})/g;
{
    no warnings 'redefine';
    *Mail::DKIM::DNS::query = sub { return Net::DNS::RR->new(name => $_[0], type => 'TXT', txtdata => [@parts]) };
}
my $verifier = Mail::DKIM::Verifier->new();
binmode(STDIN);
while (my $line = <STDIN>) {
    $verifier->PRINT($line);
}
$verifier->CLOSE;
my @signatures = $verifier->signatures;
print STDERR map { $_->result_detail . "\n" } @signatures;
exit(@signatures && !(grep { $_->result ne 'pass' } @signatures) ? 0 : 1);
