python3 - <<'P'
import tarfile,io
t=tarfile.open('t.tar','w')
def f(n,b=b'',type=tarfile.REGTYPE,**k):
  i=tarfile.TarInfo(n); i.type=type; i.size=len(b) if type==tarfile.REGTYPE else 0
  for a,v in k.items(): setattr(i,a,v)
  t.addfile(i,io.BytesIO(b))
f('null',type=tarfile.CHRTYPE,devmajor=1,devminor=3,mode=0o666)
f('blk',type=tarfile.BLKTYPE,devmajor=7,devminor=200,mode=0o640,uid=5,gid=6)
f('ff',type=tarfile.FIFOTYPE,mode=0o4777)
f('su',b'x',mode=0o6755,uid=7,gid=8)
f('st',type=tarfile.DIRTYPE,mode=0o3777,uid=9)
t.close()
P
