python3 - <<'P'
import tarfile,io
t=tarfile.open('t.tar','w')
def f(n,b=b'x',type=tarfile.REGTYPE,**k):
  i=tarfile.TarInfo(n); i.type=type; i.size=len(b) if type==tarfile.REGTYPE else 0
  for a,v in k.items(): setattr(i,a,v)
  t.addfile(i,io.BytesIO(b))
D=tarfile.DIRTYPE;S=tarfile.SYMTYPE;L=tarfile.LNKTYPE
f('real',type=D,mode=0o755)
f('l',type=S,linkname='real')
f('l/f',b'1')
f('real/g',b'2')
f('h',type=L,linkname='l/f')
f('sl',type=S,linkname='real/g')
f('sl',b'replaced')
f('hl',type=L,linkname='sl')
f('real/g',b'3')
f('dup',b'4'); f('dup',b'5',mode=0o600)
f('dd',type=D,mode=0o700); f('dd/x'); f('dd',b'file now')
f('lnk2sym',type=S,linkname='gone'); f('hardsym',type=L,linkname='lnk2sym')
t.close()
P
