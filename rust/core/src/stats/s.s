000000000006b220 <_ZN14deepcoadd_core5stats4sums19sums_rows_variances2v417hb477ba338fc2570aE>:
   6b220:	push   r14
   6b222:	push   rbx
   6b223:	push   rax
   6b224:	mov    r10,rdx
   6b227:	mov    rdx,QWORD PTR [rdi+0x8]
   6b22b:	cmp    r10,rdx
   6b22e:	ja     6b951 <_ZN14deepcoadd_core5stats4sums19sums_rows_variances2v417hb477ba338fc2570aE+0x731>
   6b234:	mov    rdx,QWORD PTR [rdi+0x18]
   6b238:	cmp    r10,rdx
   6b23b:	ja     6b963 <_ZN14deepcoadd_core5stats4sums19sums_rows_variances2v417hb477ba338fc2570aE+0x743>
   6b241:	mov    r11,QWORD PTR [rdi]
   6b244:	mov    rdi,QWORD PTR [rdi+0x10]
   6b248:	vmovapd zmm13,ZMMWORD PTR [rip+0xfffffffffffb796e]        # 22bc0 <GCC_except_table141+0x3558>
   6b252:	vmovapd zmm12,ZMMWORD PTR [rip+0xfffffffffffb79a4]        # 22c00 <GCC_except_table141+0x3598>
   6b25c:	vmovupd zmm0,ZMMWORD PTR [rcx]
   6b262:	vmovupd zmm1,ZMMWORD PTR [rcx+0x40]
   6b269:	vmovapd zmm9,ZMMWORD PTR [rip+0xfffffffffffb7a4d]        # 22cc0 <GCC_except_table141+0x3658>
   6b273:	vmovapd zmm8,ZMMWORD PTR [rip+0xfffffffffffb7a83]        # 22d00 <GCC_except_table141+0x3698>
   6b27d:	vmovapd zmm7,ZMMWORD PTR [rip+0xfffffffffffb7ab9]        # 22d40 <GCC_except_table141+0x36d8>
   6b287:	vmovapd zmm6,ZMMWORD PTR [rip+0xfffffffffffb7aef]        # 22d80 <GCC_except_table141+0x3718>
   6b291:	vmovapd zmm5,ZMMWORD PTR [rip+0xfffffffffffb7b25]        # 22dc0 <GCC_except_table141+0x3758>
   6b29b:	vmovapd zmm4,ZMMWORD PTR [rip+0xfffffffffffb7b5b]        # 22e00 <GCC_except_table141+0x3798>
   6b2a5:	vmovapd zmm3,ZMMWORD PTR [rip+0xfffffffffffb7b91]        # 22e40 <GCC_except_table141+0x37d8>
   6b2af:	vmovapd zmm2,ZMMWORD PTR [rip+0xfffffffffffb7bc7]        # 22e80 <GCC_except_table141+0x3818>
   6b2b9:	vmovapd zmm10,ZMMWORD PTR [rip+0xfffffffffffb7bfd]        # 22ec0 <GCC_except_table141+0x3858>
   6b2c3:	vmovapd zmm11,ZMMWORD PTR [rip+0xfffffffffffb7c33]        # 22f00 <GCC_except_table141+0x3898>
   6b2cd:	movabs rbx,0xcccccccccccccccd
   6b2d7:	mov    rax,r10
   6b2da:	mul    rbx
   6b2dd:	shr    rdx,0x2
   6b2e1:	lea    rax,[rdx+rdx*4]
   6b2e5:	mov    rcx,r10
   6b2e8:	sub    rcx,rax
   6b2eb:	cmp    r10,0x5
   6b2ef:	jb     6b786 <_ZN14deepcoadd_core5stats4sums19sums_rows_variances2v417hb477ba338fc2570aE+0x566>
   6b2f5:	vmovupd zmm14,ZMMWORD PTR [r8]
   6b2fb:	vmovupd zmm15,ZMMWORD PTR [r8+0x40]
   6b302:	imul   rax,rdx,0x78
   6b306:	mov    edx,0x120
   6b30b:	xor    r14d,r14d
   6b30e:	vbroadcastsd zmm16,QWORD PTR [rip+0xfffffffffffb6db0]        # 220c8 <GCC_except_table141+0x2a60>
   6b318:	vbroadcastsd zmm17,QWORD PTR [rip+0xfffffffffffb6d9e]        # 220c0 <GCC_except_table141+0x2a58>
   6b322:	data16 data16 data16 data16 cs nop WORD PTR [rax+rax*1+0x0]
   6b330:	vbroadcastsd zmm19,QWORD PTR [rsi+r14*1+0x60]
   6b338:	vbroadcastsd zmm18,QWORD PTR [rsi+r14*1+0x70]
   6b340:	vmovsd xmm20,QWORD PTR [rsi+r14*1+0x48]
   6b348:	vbroadcastsd zmm20,xmm20
   6b34e:	vmovsd xmm24,QWORD PTR [rsi+r14*1+0x58]
   6b356:	vmovsd xmm21,QWORD PTR [rsi+r14*1+0x18]
   6b35e:	vbroadcastsd zmm23,xmm21
   6b364:	vmovsd xmm21,QWORD PTR [rsi+r14*1+0x28]
   6b36c:	vbroadcastsd zmm22,xmm21
   6b372:	vmovsd xmm21,QWORD PTR [rsi+r14*1]
   6b379:	vmovsd xmm25,QWORD PTR [rsi+r14*1+0x10]
   6b381:	vbroadcastsd zmm27,xmm21
   6b387:	vbroadcastsd zmm26,xmm25
   6b38d:	vbroadcastsd zmm21,QWORD PTR [rsi+r14*1+0x40]
   6b395:	vcvtps2pd zmm25,YMMWORD PTR [r11+rdx*1-0x120]
   6b39d:	vsubpd zmm25,zmm25,zmm0
   6b3a3:	vandpd zmm28,zmm25,zmm16
   6b3a9:	vcvtps2pd zmm29,YMMWORD PTR [rdi+rdx*1-0x120]
   6b3b1:	vcmplepd k3,zmm28,zmm14
   6b3b8:	vmulpd zmm28,zmm25,zmm27
   6b3be:	vaddpd zmm5{k3},zmm5,zmm28
   6b3c4:	vmulpd zmm25,zmm25,zmm28
   6b3ca:	vmovsd xmm28,QWORD PTR [rsi+r14*1+0x30]
   6b3d2:	vmulpd zmm29,zmm26,zmm29
   6b3d8:	vaddpd zmm3{k3},zmm3,zmm25
   6b3de:	vaddpd zmm10{k3},zmm10,zmm29
   6b3e4:	vcvtps2pd zmm25,YMMWORD PTR [r11+rdx*1-0xe0]
   6b3ec:	vsubpd zmm25,zmm25,zmm0
   6b3f2:	vandpd zmm29,zmm25,zmm16
   6b3f8:	vcmplepd k2,zmm29,zmm14
   6b3ff:	vmulpd zmm29,zmm25,zmm23
   6b405:	vaddpd zmm5{k2},zmm5,zmm29
   6b40b:	vmulpd zmm29,zmm25,zmm29
   6b411:	vcvtps2pd zmm30,YMMWORD PTR [rdi+rdx*1-0xe0]
   6b419:	vbroadcastsd zmm25,xmm28
   6b41f:	vmulpd zmm28,zmm22,zmm30
   6b425:	vaddpd zmm3{k2},zmm3,zmm29
   6b42b:	vaddpd zmm10{k2},zmm10,zmm28
   6b431:	vcvtps2pd zmm28,YMMWORD PTR [r11+rdx*1-0xa0]
   6b439:	vsubpd zmm28,zmm28,zmm0
   6b43f:	vandpd zmm29,zmm28,zmm16
   6b445:	vcmplepd k1,zmm29,zmm14
   6b44c:	kmovw  WORD PTR [rsp+0x4],k1
   6b452:	vmulpd zmm29,zmm28,zmm25
   6b458:	vaddpd zmm5{k1},zmm5,zmm29
   6b45e:	vmulpd zmm28,zmm28,zmm29
   6b464:	vcvtps2pd zmm29,YMMWORD PTR [rdi+rdx*1-0xa0]
   6b46c:	vbroadcastsd zmm24,xmm24
   6b472:	vmulpd zmm29,zmm21,zmm29
   6b478:	vaddpd zmm3{k1},zmm3,zmm28
   6b47e:	vaddpd zmm10{k1},zmm10,zmm29
   6b484:	vcvtps2pd zmm28,YMMWORD PTR [r11+rdx*1-0x60]
   6b48c:	vsubpd zmm28,zmm28,zmm0
   6b492:	vandpd zmm29,zmm28,zmm16
   6b498:	vcmplepd k1,zmm29,zmm14
   6b49f:	kmovw  WORD PTR [rsp+0x6],k1
   6b4a5:	vmulpd zmm29,zmm28,zmm20
   6b4ab:	vaddpd zmm5{k1},zmm5,zmm29
   6b4b1:	vmulpd zmm28,zmm28,zmm29
   6b4b7:	vcvtps2pd zmm29,YMMWORD PTR [rdi+rdx*1-0x60]
   6b4bf:	vaddpd zmm3{k1},zmm3,zmm28
   6b4c5:	vcvtps2pd zmm28,YMMWORD PTR [r11+rdx*1-0x20]
   6b4cd:	vmulpd zmm29,zmm24,zmm29
   6b4d3:	vaddpd zmm10{k1},zmm10,zmm29
   6b4d9:	vsubpd zmm28,zmm28,zmm0
   6b4df:	vandpd zmm29,zmm28,zmm16
   6b4e5:	vcmplepd k5,zmm29,zmm14
   6b4ec:	vmulpd zmm29,zmm28,zmm19
   6b4f2:	vaddpd zmm5{k5},zmm5,zmm29
   6b4f8:	vmulpd zmm28,zmm28,zmm29
   6b4fe:	vcvtps2pd zmm29,YMMWORD PTR [rdi+rdx*1-0x20]
   6b506:	vmulpd zmm29,zmm18,zmm29
   6b50c:	vaddpd zmm3{k5},zmm3,zmm28
   6b512:	vcvtps2pd zmm28,YMMWORD PTR [r11+rdx*1-0x100]
   6b51a:	vaddpd zmm10{k5},zmm10,zmm29
   6b520:	vsubpd zmm28,zmm28,zmm1
   6b526:	vandpd zmm29,zmm28,zmm16
   6b52c:	vcmplepd k6,zmm29,zmm15
   6b533:	vaddpd zmm9{k3},zmm9,zmm27
   6b539:	vaddpd zmm8{k6},zmm8,zmm27
   6b53f:	vmulpd zmm27,zmm28,zmm27
   6b545:	vaddpd zmm4{k6},zmm4,zmm27
   6b54b:	vmulpd zmm27,zmm28,zmm27
   6b551:	vcvtps2pd zmm28,YMMWORD PTR [rdi+rdx*1-0x100]
   6b559:	vmulpd zmm26,zmm26,zmm28
   6b55f:	vbroadcastsd zmm28,QWORD PTR [rsi+r14*1+0x8]
   6b567:	vaddpd zmm7{k3},zmm7,zmm28
   6b56d:	vaddpd zmm2{k6},zmm2,zmm27
   6b573:	vcvtps2pd zmm27,YMMWORD PTR [r11+rdx*1-0xc0]
   6b57b:	vaddpd zmm6{k6},zmm6,zmm28
   6b581:	vaddpd zmm11{k6},zmm11,zmm26
   6b587:	vsubpd zmm26,zmm27,zmm1
   6b58d:	vandpd zmm27,zmm26,zmm16
   6b593:	vcmplepd k7,zmm27,zmm15
   6b59a:	vcvtps2pd zmm27,YMMWORD PTR [rdi+rdx*1-0xc0]
   6b5a2:	vaddpd zmm9{k2},zmm9,zmm23
   6b5a8:	vaddpd zmm8{k7},zmm8,zmm23
   6b5ae:	vmulpd zmm23,zmm26,zmm23
   6b5b4:	vaddpd zmm4{k7},zmm4,zmm23
   6b5ba:	vmulpd zmm23,zmm26,zmm23
   6b5c0:	vmulpd zmm22,zmm22,zmm27
   6b5c6:	vbroadcastsd zmm26,QWORD PTR [rsi+r14*1+0x20]
   6b5ce:	vaddpd zmm7{k2},zmm7,zmm26
   6b5d4:	vaddpd zmm2{k7},zmm2,zmm23
   6b5da:	vaddpd zmm6{k7},zmm6,zmm26
   6b5e0:	vaddpd zmm11{k7},zmm11,zmm22
   6b5e6:	vcvtps2pd zmm22,YMMWORD PTR [r11+rdx*1-0x80]
   6b5ee:	vsubpd zmm22,zmm22,zmm1
   6b5f4:	vandpd zmm23,zmm22,zmm16
   6b5fa:	vcvtps2pd zmm26,YMMWORD PTR [rdi+rdx*1-0x80]
   6b602:	vcmplepd k4,zmm23,zmm15
   6b609:	kmovw  k1,WORD PTR [rsp+0x4]
   6b60f:	vaddpd zmm9{k1},zmm9,zmm25
   6b615:	vaddpd zmm8{k4},zmm8,zmm25
   6b61b:	vmulpd zmm23,zmm22,zmm25
   6b621:	vaddpd zmm4{k4},zmm4,zmm23
   6b627:	vmulpd zmm22,zmm22,zmm23
   6b62d:	vmulpd zmm21,zmm21,zmm26
   6b633:	vaddpd zmm2{k4},zmm2,zmm22
   6b639:	vbroadcastsd zmm22,QWORD PTR [rsi+r14*1+0x38]
   6b641:	vaddpd zmm13{k3},zmm13,zmm17
   6b647:	vaddpd zmm7{k1},zmm7,zmm22
   6b64d:	vaddpd zmm6{k4},zmm6,zmm22
   6b653:	vcvtps2pd zmm22,YMMWORD PTR [r11+rdx*1-0x40]
   6b65b:	vaddpd zmm11{k4},zmm11,zmm21
   6b661:	vsubpd zmm21,zmm22,zmm1
   6b667:	vandpd zmm22,zmm21,zmm16
   6b66d:	vcmplepd k3,zmm22,zmm15
   6b674:	kmovw  k1,WORD PTR [rsp+0x6]
   6b67a:	vaddpd zmm9{k1},zmm9,zmm20
   6b680:	vaddpd zmm8{k3},zmm8,zmm20
   6b686:	vmulpd zmm20,zmm21,zmm20
   6b68c:	vaddpd zmm4{k3},zmm4,zmm20
   6b692:	vmulpd zmm20,zmm21,zmm20
   6b698:	vcvtps2pd zmm21,YMMWORD PTR [rdi+rdx*1-0x40]
   6b6a0:	vmulpd zmm21,zmm24,zmm21
   6b6a6:	vbroadcastsd zmm22,QWORD PTR [rsi+r14*1+0x50]
   6b6ae:	vaddpd zmm13{k2},zmm13,zmm17
   6b6b4:	vaddpd zmm7{k1},zmm7,zmm22
   6b6ba:	vaddpd zmm2{k3},zmm2,zmm20
   6b6c0:	vaddpd zmm6{k3},zmm6,zmm22
   6b6c6:	vaddpd zmm11{k3},zmm11,zmm21
   6b6cc:	vcvtps2pd zmm20,YMMWORD PTR [r11+rdx*1]
   6b6d3:	vsubpd zmm20,zmm20,zmm1
   6b6d9:	vandpd zmm21,zmm20,zmm16
   6b6df:	vcvtps2pd zmm22,YMMWORD PTR [rdi+rdx*1]
   6b6e6:	vcmplepd k2,zmm21,zmm15
   6b6ed:	kmovq  k1,k5
   6b6f2:	vaddpd zmm9{k5},zmm9,zmm19
   6b6f8:	vaddpd zmm8{k2},zmm8,zmm19
   6b6fe:	vmulpd zmm19,zmm20,zmm19
   6b704:	vaddpd zmm4{k2},zmm4,zmm19
   6b70a:	vmulpd zmm19,zmm20,zmm19
   6b710:	vmulpd zmm18,zmm18,zmm22
   6b716:	vaddpd zmm2{k2},zmm2,zmm19
   6b71c:	vbroadcastsd zmm19,QWORD PTR [rsi+r14*1+0x68]
   6b724:	vaddpd zmm7{k5},zmm7,zmm19
   6b72a:	vaddpd zmm6{k2},zmm6,zmm19
   6b730:	vaddpd zmm11{k2},zmm11,zmm18
   6b736:	kmovw  k5,WORD PTR [rsp+0x4]
   6b73c:	vaddpd zmm13{k5},zmm13,zmm17
   6b742:	kmovw  k5,WORD PTR [rsp+0x6]
   6b748:	vaddpd zmm13{k5},zmm13,zmm17
   6b74e:	vaddpd zmm13{k1},zmm13,zmm17
   6b754:	vaddpd zmm12{k6},zmm12,zmm17
   6b75a:	vaddpd zmm12{k7},zmm12,zmm17
   6b760:	vaddpd zmm12{k4},zmm12,zmm17
   6b766:	vaddpd zmm12{k3},zmm12,zmm17
   6b76c:	vaddpd zmm12{k2},zmm12,zmm17
   6b772:	add    r14,0x78
   6b776:	add    rdx,0x140
   6b77d:	cmp    rax,r14
   6b780:	jne    6b330 <_ZN14deepcoadd_core5stats4sums19sums_rows_variances2v417hb477ba338fc2570aE+0x110>
   6b786:	test   rcx,rcx
   6b789:	je     6b8e5 <_ZN14deepcoadd_core5stats4sums19sums_rows_variances2v417hb477ba338fc2570aE+0x6c5>
   6b78f:	vmovupd zmm14,ZMMWORD PTR [r8]
   6b795:	vmovupd zmm15,ZMMWORD PTR [r8+0x40]
   6b79c:	mov    rax,r10
   6b79f:	mul    rbx
   6b7a2:	shr    rdx,0x2
   6b7a6:	imul   r8,rdx,0x78
   6b7aa:	shl    rdx,0x6
   6b7ae:	lea    rax,[rdx+rdx*4]
   6b7b2:	add    rax,0x20
   6b7b6:	lea    rdx,[r8+rsi*1]
   6b7ba:	add    rdx,0x10
   6b7be:	vbroadcastsd zmm16,QWORD PTR [rip+0xfffffffffffb6900]        # 220c8 <GCC_except_table141+0x2a60>
   6b7c8:	vbroadcastsd zmm17,QWORD PTR [rip+0xfffffffffffb68ee]        # 220c0 <GCC_except_table141+0x2a58>
   6b7d2:	data16 data16 data16 data16 cs nop WORD PTR [rax+rax*1+0x0]
   6b7e0:	vbroadcastsd zmm18,QWORD PTR [rdx]
   6b7e6:	vbroadcastsd zmm19,QWORD PTR [rdx-0x8]
   6b7ed:	vbroadcastsd zmm20,QWORD PTR [rdx-0x10]
   6b7f4:	vcvtps2pd zmm21,YMMWORD PTR [r11+rax*1-0x20]
   6b7fc:	vsubpd zmm21,zmm21,zmm0
   6b802:	vcvtps2pd zmm22,YMMWORD PTR [rdi+rax*1-0x20]
   6b80a:	vandpd zmm23,zmm21,zmm16
   6b810:	vcmplepd k1,zmm23,zmm14
   6b817:	vmulpd zmm23,zmm20,zmm21
   6b81d:	vmovapd zmm24{k1}{z},zmm20
   6b823:	vaddpd zmm9,zmm9,zmm24
   6b829:	vmovapd zmm24{k1}{z},zmm23
   6b82f:	vaddpd zmm5,zmm5,zmm24
   6b835:	vmovapd zmm24{k1}{z},zmm17
   6b83b:	vaddpd zmm13,zmm13,zmm24
   6b841:	vmulpd zmm22{k1}{z},zmm18,zmm22
   6b847:	vaddpd zmm10,zmm10,zmm22
   6b84d:	vmulpd zmm21{k1}{z},zmm21,zmm23
   6b853:	vaddpd zmm3,zmm3,zmm21
   6b859:	vcvtps2pd zmm21,YMMWORD PTR [r11+rax*1]
   6b860:	vmovapd zmm22{k1}{z},zmm19
   6b866:	vaddpd zmm7,zmm7,zmm22
   6b86c:	vsubpd zmm21,zmm21,zmm1
   6b872:	vandpd zmm22,zmm21,zmm16
   6b878:	vcmplepd k1,zmm22,zmm15
   6b87f:	vcvtps2pd zmm22,YMMWORD PTR [rdi+rax*1]
   6b886:	vmulpd zmm23,zmm20,zmm21
   6b88c:	vmovapd zmm20{k1}{z},zmm20
   6b892:	vaddpd zmm8,zmm8,zmm20
   6b898:	vmovapd zmm20{k1}{z},zmm23
   6b89e:	vaddpd zmm4,zmm4,zmm20
   6b8a4:	vmovapd zmm20{k1}{z},zmm17
   6b8aa:	vaddpd zmm12,zmm12,zmm20
   6b8b0:	vmulpd zmm18{k1}{z},zmm18,zmm22
   6b8b6:	vaddpd zmm11,zmm11,zmm18
   6b8bc:	vmulpd zmm18{k1}{z},zmm21,zmm23
   6b8c2:	vaddpd zmm2,zmm2,zmm18
   6b8c8:	vmovapd zmm18{k1}{z},zmm19
   6b8ce:	vaddpd zmm6,zmm6,zmm18
   6b8d4:	add    rax,0x40
   6b8d8:	add    rdx,0x18
   6b8dc:	dec    rcx
   6b8df:	jne    6b7e0 <_ZN14deepcoadd_core5stats4sums19sums_rows_variances2v417hb477ba338fc2570aE+0x5c0>
   6b8e5:	vmovupd ZMMWORD PTR [r9],zmm13
   6b8eb:	vmovupd ZMMWORD PTR [r9+0x40],zmm12
   6b8f2:	vmovupd ZMMWORD PTR [r9+0x80],zmm0
   6b8f9:	vmovupd ZMMWORD PTR [r9+0xc0],zmm1
   6b900:	vmovupd ZMMWORD PTR [r9+0x100],zmm9
   6b907:	vmovupd ZMMWORD PTR [r9+0x140],zmm8
   6b90e:	vmovupd ZMMWORD PTR [r9+0x180],zmm7
   6b915:	vmovupd ZMMWORD PTR [r9+0x1c0],zmm6
   6b91c:	vmovupd ZMMWORD PTR [r9+0x200],zmm5
   6b923:	vmovupd ZMMWORD PTR [r9+0x240],zmm4
   6b92a:	vmovupd ZMMWORD PTR [r9+0x280],zmm3
   6b931:	vmovupd ZMMWORD PTR [r9+0x2c0],zmm2
   6b938:	vmovupd ZMMWORD PTR [r9+0x300],zmm10
   6b93f:	vmovupd ZMMWORD PTR [r9+0x340],zmm11
   6b946:	add    rsp,0x8
   6b94a:	pop    rbx
   6b94b:	pop    r14
   6b94d:	vzeroupper
   6b950:	ret
